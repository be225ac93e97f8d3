// A denoiser of images, trained under several attention patterns to see what each loses: LLaMA's own blocks,
// in both directions, over pixels. From scca it takes the blocks, the patterns, AdamW, the progress bar and
// the pictures; its own are RoPE in two dimensions, a loss made of ops, and the loop.
// Shapes: B images, T = side x side pixels in raster order, a token each, D width, K head width.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>

#include "core/autograd.h"
#include "images.h"
#include "models/llama.h"
#include "nn/patterns/spec.h"
#include "ops/adamw.h"
#include "ops/add.h"
#include "ops/mul.h"
#include "ops/rms_norm.h"
#include "ops/sum.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/threads_flag.h"
#include "train/report/canvas.h"
#include "train/report/progress.h"
#include "train/report/table.h"
#include "train/run/schedule.h"
#include "train/study/study.h"

namespace denoiser {
namespace {

using namespace scca;

// ---- The model

constexpr int64_t kWidth = 32, kHeads = 4, kHeadWidth = 16, kLayers = 2;

LlamaConfig config() {
  LlamaConfig config;
  config.vocab_size = 1;  // pixels come by a linear layer, not by ids
  config.hidden_size = kWidth;
  config.intermediate_size = 2 * kWidth;
  config.num_hidden_layers = kLayers;
  config.num_attention_heads = config.num_key_value_heads = kHeads;
  config.head_dim = kHeadWidth;
  config.attention_bias = true;  // so that a query can ask for a place, whatever the pixels are
  config.initializer_range = 0.1;
  return config;
}

/// RoPE in two dimensions: a row a pixel, and half of a head's pairs turn with the pixel's row in the image,
/// half with its column, by 1, 2, 3, ... whole turns from edge to edge.
RopeTable rope_of_image(int64_t side) {
  const int64_t pairs = kHeadWidth / 2;
  std::vector<float> cosines, sines;
  for (int64_t pixel = 0; pixel < side * side; ++pixel)
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const int64_t place = pair < pairs / 2 ? pixel / side : pixel % side, turns = 1 + pair % (pairs / 2);
      const double angle =
          2 * std::numbers::pi * static_cast<double>(turns * place) / static_cast<double>(side);
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
  return {Tensor::of(cosines, {side * side, pairs}), Tensor::of(sines, {side * side, pairs})};
}

Tensor normal(Shape shape) {
  Tensor t = Tensor::empty(std::move(shape));
  fill_normal(t, 1);
  return t;
}

class Denoiser {
 public:
  Denoiser(int64_t side, RandomState random) : blocks_(Llama::initialised(config(), random.seed).layers) {
    set_random_state(random);
    in_ = {.weight_OI = normal({kWidth, 1}), .bias_O = normal({kWidth}), .lora = {}};
    pass_.rope = rope_of_image(side);
    for_each_parameter([](const std::string&, Tensor& weight) { weight.set_requires_grad(); });
  }

  /// What the clean images are, by the model. It learns what to add to the noisy ones: nothing, at first.
  Tensor operator()(const Tensor& noisy_BT1, const AttentionSpec& attention) const {
    Tensor x_BTD = in_(noisy_BT1);
    for (size_t layer = 0; layer < blocks_.size(); ++layer) {
      const PlanPtr plan = attention.plan(noisy_BT1.size(1), kHeads, static_cast<int64_t>(layer));
      x_BTD = blocks_[layer](x_BTD, plan, pass_, nullptr);
    }
    return add(out_(rms_norm(x_BTD, norm_D_, 1e-6)), noisy_BT1);
  }

  void for_each_parameter(const ParameterVisitor& visit) {
    in_.for_each_parameter("in", visit);
    for (size_t layer = 0; layer < blocks_.size(); ++layer)
      blocks_[layer].for_each_parameter(concat("layers.", layer), visit);
    visit("norm.weight", norm_D_);
    out_.for_each_parameter("out", visit);
  }

 private:
  Linear in_, out_{.weight_OI = Tensor::zeros({1, kWidth}), .bias_O = Tensor::zeros({1}), .lora = {}};
  std::vector<LlamaBlock> blocks_;
  Tensor norm_D_ = Tensor::full({kWidth}, 1);
  Pass pass_;
};

// ---- Training

struct Flags {
  int64_t size = 24, steps = 250, batch = 8;
  double noise = 0.2, lr = 5e-3;
  uint64_t seed = 1;
  std::string patterns, causal = "off", out = "denoiser.png";
};

// Where the random numbers of a seed begin: a step takes two draws of them, as many as wallpapers() does.
constexpr uint64_t kDrawsOfModel = 0, kDrawsOfHeldOut = 1 << 10, kDrawsOfSteps = 1 << 11;
constexpr int64_t kHeldOut = 64;  // images

/// Over all pixels. What is not an op is made of those that are: a difference is a sum with the negative.
Tensor mean_square_error(const Tensor& answer_BT1, const Tensor& clean_BT1) {
  const Tensor error = add(answer_BT1, mul(clean_BT1, Tensor::full(clean_BT1.shape(), -1)));
  return mul(sum(mul(error, error)), Tensor::full({}, 1.0 / static_cast<double>(error.numel())));
}

/// The same start and the same images for every pattern of a seed. Gives the milliseconds of a step.
double train(Denoiser& model, const AttentionSpec& attention, const Flags& flags) {
  std::vector<AdamWParameter> state;
  model.for_each_parameter([&](const std::string&, Tensor& weight) {
    state.push_back({weight, {}, Tensor::zeros(weight.shape()), Tensor::zeros(weight.shape())});
  });
  const Schedule rate{
      .peak = flags.lr, .warmup = 10, .steps = flags.steps, .cosine = true, .final_share = 0.05};
  Progress progress(attention.to_string(), flags.steps);
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t step = 1; step <= flags.steps; ++step) {
    const Images images = wallpapers(flags.batch, flags.size, flags.noise,
                                     {flags.seed, kDrawsOfSteps + 2 * static_cast<uint64_t>(step)});
    const Tensor loss = mean_square_error(model(images.noisy_BT1, attention), images.clean_BT1);
    SCCA_CHECK(std::isfinite(loss.item()), "denoise: the loss is ", loss.item(), " at step ", step, " under ",
               attention.to_string(), "; try a lower --lr");
    progress.update(step, fixed(-10 * std::log10(loss.item()), 1) + " dB");
    backward(loss);
    for (AdamWParameter& p : state) p.grad = p.parameter.grad();
    adamw_step(state, {.lr = rate.at(step)}, step);
    for (AdamWParameter& p : state) p.parameter.set_grad({}), p.grad = {};
  }
  progress.finish();
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  return taken.count() / static_cast<double>(flags.steps);
}

// ---- What is asked of a pattern

/// What was made of the noisy held-out images, and, of a pattern, what it took.
struct Answer {
  std::string name;
  Tensor images_BT1;
  std::vector<std::string> figures = {"-", "-", "-"};  // as kFigures has them
};
const std::vector<std::string> kFigures{"visible pairs", "last pixel reaches", "ms a step"};

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

/// The pairs (query, key) that are computed, of all that there are.
double visible_share(const AttentionSpec& attention, int64_t tokens) {
  double pairs = 0;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const PlanPtr plan = attention.plan(tokens, kHeads, layer);
    for (const auto& head : plan->heads) pairs += static_cast<double>(visible_pairs(*head, plan->causal));
  }
  return pairs / static_cast<double>(kLayers * kHeads * tokens * tokens);
}

/// The share of the pixels whose answer changes, in any of the images, when the last pixel of each does. That
/// one stands behind all others: with causality it would change its own answer alone.
double reached_by_last(const Denoiser& model, const AttentionSpec& attention, const Tensor& noisy_BT1) {
  const int64_t tokens = noisy_BT1.size(1);
  Tensor other_BT1 = noisy_BT1.clone();
  for (int64_t i = tokens - 1; i < other_BT1.numel(); i += tokens) other_BT1.data<float>()[i] += 1;
  const std::vector<float> before = model(noisy_BT1, attention).to_vector<float>(),
                           after = model(other_BT1, attention).to_vector<float>();
  std::vector<bool> changed(static_cast<size_t>(tokens));
  for (size_t i = 0; i < before.size(); ++i)
    if (before[i] != after[i]) changed[i % changed.size()] = true;
  return static_cast<double>(std::ranges::count(changed, true)) / static_cast<double>(tokens);
}

Answer trained(const AttentionSpec& attention, const Images& held_out, const Flags& flags) {
  Denoiser model(flags.size, {flags.seed, kDrawsOfModel});
  const double milliseconds = train(model, attention, flags);
  const NoGrad no_grad;
  return {attention.to_string(),
          model(held_out.noisy_BT1, attention),
          {percent(visible_share(attention, flags.size * flags.size)),
           percent(reached_by_last(model, attention, held_out.noisy_BT1)), fixed(milliseconds, 0)}};
}

double mean(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

/// Without a model. The filter's width is the best for these very images, which no other answer has seen.
std::vector<Answer> baselines(const Images& held_out) {
  std::vector<Answer> filters;
  for (double width = 0.3; width < 2; width += 0.05)
    filters.push_back({concat("Gaussian filter, ", fixed(width, 2), " pixels"),
                       gaussian_filter(held_out.noisy_BT1, width)});
  const auto decibels = [&](const Answer& a) { return mean(psnr(a.images_BT1, held_out.clean_BT1)); };
  return {{"noisy", held_out.noisy_BT1},
          *std::ranges::max_element(filters, {}, decibels),
          {"mean of the copies", mean_of_copies(held_out.noisy_BT1)}};
}

// ---- The table and the picture

/// Of each answer its mean PSNR, and how far it is from that of `against`: image by image, with the standard
/// error of the mean.
std::string table(const std::vector<Answer>& answers, const Answer& against, const Tensor& clean_BT1) {
  std::vector<std::vector<std::string>> rows{{"", "PSNR, dB", concat("dB - ", against.name)}};
  rows[0].insert(rows[0].end(), kFigures.begin(), kFigures.end());
  const std::vector<double> other = psnr(against.images_BT1, clean_BT1);
  for (const Answer& answer : answers) {
    const std::vector<double> own = psnr(answer.images_BT1, clean_BT1);
    std::vector<double> difference(own.size()), square(own.size());
    for (size_t i = 0; i < own.size(); ++i) difference[i] = own[i] - other[i];
    for (size_t i = 0; i < own.size(); ++i) square[i] = std::pow(difference[i] - mean(difference), 2);
    const double error = std::sqrt(mean(square) / static_cast<double>(own.size() - 1));
    rows.push_back({answer.name, fixed(mean(own), 2),
                    &answer == &against ? "-" : concat(fixed(mean(difference), 2), " +- ", fixed(error, 2))});
    rows.back().insert(rows.back().end(), answer.figures.begin(), answer.figures.end());
  }
  return format_table(rows);
}

constexpr int kShown = 6, kMargin = 20, kGap = 8, kCaption = 34;

/// The first images of each answer in a row below its name.
void draw(const std::string& path, const std::vector<Answer>& rows, int side, const Tensor& clean_BT1) {
  const int scale = std::max(2, 144 / side), cell = side * scale, width = kShown * (cell + kGap) - kGap;
  Canvas canvas(width + 2 * kMargin, static_cast<int>(rows.size()) * (cell + kCaption) + 2 * kMargin);
  double top = kMargin;
  for (const Answer& row : rows) {
    const bool is_clean = row.images_BT1.same_storage(clean_BT1);
    const std::string decibels =
        is_clean ? "" : concat(fixed(mean(psnr(row.images_BT1, clean_BT1)), 1), " dB over ", kHeldOut);
    const TextStyle name{.bold = true}, figure{.align = Align::right};
    const double room = width - Canvas::text_width(decibels, figure) - kGap;
    canvas.text({kMargin, top + kCaption / 2.0}, Canvas::fit_text(row.name, room, name), name);
    canvas.text({static_cast<double>(kMargin + width), top + kCaption / 2.0}, decibels, figure);
    const Tensor shown = row.images_BT1.rows(0, kShown);
    for (int i = 0; i < shown.numel(); ++i) {
      const int image = i / (side * side), y = i / side % side, x = i % side;
      const double left = kMargin + image * (cell + kGap) + x * scale, above = top + kCaption + y * scale;
      canvas.rect(left, above, left + scale, above + scale,
                  mix(colors::kBlack, colors::kWhite, shown.data<float>()[i]));
    }
    top += cell + kCaption;
  }
  canvas.write_png(path);
}

// ---- The command

/// Throws UsageError for what could not be done or drawn, before time is spent on it.
std::vector<AttentionSpec> checked(const Flags& flags) {
  if (flags.size < 16) fail<UsageError>("--size ", flags.size, ": expected 16 to 64: less has no repetition");
  if (flags.steps < 1) fail<UsageError>("--steps ", flags.steps, ": expected 1 or more");
  if (flags.batch < 1) fail<UsageError>("--batch ", flags.batch, ": expected 1 or more");
  if (!(flags.noise > 0 && flags.noise <= 1))
    fail<UsageError>("--noise ", flags.noise, ": expected above 0, up to 1");
  if (!(flags.lr > 0 && flags.lr <= 1)) fail<UsageError>("--lr ", flags.lr, ": expected above 0, up to 1");
  const std::filesystem::path folder = std::filesystem::path(flags.out).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder))
    fail<UsageError>("--out ", flags.out, ": there is no folder ", folder.string(), "; make it first");
  if (std::filesystem::is_directory(flags.out))
    fail<UsageError>("--out ", flags.out, " is a folder; expected a PNG");
  std::vector<AttentionSpec> specs;
  for (const std::string& pattern : split_patterns(flags.patterns)) {
    const AttentionSpec spec = parse_attention_spec(pattern);
    specs.push_back(flags.causal == "on" ? spec : spec.bidirectional());
    specs.back().check_layers(kLayers);
    visible_share(specs.back(), flags.size * flags.size);  // makes the plans: do they fit?
  }
  if (specs.empty() || specs.size() > 40)
    fail<UsageError>("--patterns: names ", specs.size(), ", expected 1 to 40");
  return specs;
}

int run(const Flags& flags) {
  const std::vector<AttentionSpec> specs = checked(flags);
  const Images held_out = wallpapers(kHeldOut, flags.size, flags.noise, {flags.seed, kDrawsOfHeldOut});
  std::vector<Answer> answers = baselines(held_out);
  const size_t first = answers.size();
  for (const AttentionSpec& spec : specs) answers.push_back(trained(spec, held_out, flags));
  std::cout << table(answers, answers[first], held_out.clean_BT1);
  answers.insert(answers.begin(), {"clean", held_out.clean_BT1});
  draw(flags.out, answers, static_cast<int>(flags.size), held_out.clean_BT1);
  std::cerr << "picture: " << flags.out << "\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->patterns =
      concat("full,local,window,sda,dna2d(radius=2),mix(dna2d(radius=2),dna2d(dilation=", kPeriod, "))");
  begin_section(app, section::kData);
  app.add_option("--size", flags->size,
                 "Pixels of a side of the images, 16 to 64; their square is the tokens")
      ->transform(whole_number(64))
      ->capture_default_str();
  app.add_option("--noise", flags->noise, "Standard deviation of the noise, where white is 1")
      ->transform(real_number())
      ->capture_default_str();
  begin_section(app, section::kTraining);
  app.add_option("--steps", flags->steps, "Optimizer steps under each pattern")
      ->transform(whole_number())
      ->capture_default_str();
  app.add_option("--batch", flags->batch, "Images of a step")
      ->transform(whole_number(256))
      ->capture_default_str();
  app.add_option("--lr", flags->lr, "Peak learning rate")->transform(real_number())->capture_default_str();
  app.add_option("--seed", flags->seed, "Of the images and of the first weights")
      ->transform(seed_number())
      ->capture_default_str();
  begin_section(app, section::kAttention);
  app.add_option("--patterns", flags->patterns,
                 "Attention patterns with commas between; the others are compared with the first")
      ->type_name("SPECS")
      ->capture_default_str();
  app.add_option("--causal", flags->causal, "on: no pixel sees those behind it, as in a language model")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  begin_section(app, section::kOutput);
  app.add_option("--out", flags->out, "Picture of what each pattern made of some images")
      ->type_name("PNG")
      ->capture_default_str();
  add_threads_flag(app);
  return [flags] { return run(*flags); };
}

const RegisterCommand line("denoise",
                           "Train a denoiser of images under several attention patterns, and compare", set_up,
                           "image_scca denoise --patterns full,local,sda --steps 500");

}  // namespace
}  // namespace denoiser
