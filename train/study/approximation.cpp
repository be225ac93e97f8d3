#include "train/study/approximation.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "core/check.h"
#include "core/file.h"
#include "core/hash.h"
#include "models/files/model_folder.h"
#include "models/fingerprint.h"
#include "models/own_attention.h"
#include "models/rope_lengths.h"
#include "nn/json.h"
#include "nn/patterns/pattern.h"
#include "nn/patterns/spec.h"
#include "train/cli/rope_flags.h"
#include "train/report/progress.h"
#include "train/report/table.h"
#include "train/run/interrupt.h"
#include "train/run/run_folder.h"
#include "train/study/contents.h"
#include "train/study/study.h"
#include "train/study/text.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecord = "patterns.json";

/// "local@0,1;full": the pattern in these layers, `rest` in the others. The rest may name layers of its own;
/// those that have the pattern then lose their names.
std::string in_layers(const std::string& pattern, int64_t first, int64_t end, const std::string& rest) {
  std::string numbers;
  for (int64_t layer = first; layer < end; ++layer) numbers += (numbers.empty() ? "" : ",") + concat(layer);
  return concat(pattern, "@", numbers, ";", rest);
}

/// A plan file that has become another has cells of its own.
fs::path cell_file(const fs::path& out, const ApproximationCell& cell, const AttentionSpec& spec) {
  const std::string& plan = spec.file_hash();
  return out / "cells" / std::to_string(cell.length) /
         concat(folder_name(cell.attention), plan.empty() ? "" : "-", plan, ".json");
}
fs::path losses_file(const ApproximationCell& cell) {
  return fs::path(cell.file).replace_extension(".safetensors");
}

void check(const ApproximationSettings& s, int64_t layers, const std::string& reference) {
  if (s.lengths.empty()) fail<UsageError>("--context: names no length");
  if (s.lengths.front() < 2)
    fail<UsageError>("--context ", s.lengths.front(), ": expected at least 2 tokens");
  if (std::ranges::adjacent_find(s.lengths) != s.lengths.end())
    fail<UsageError>("--context: names a length twice");
  if (s.parts == 1 || s.parts > layers)
    fail<UsageError>("--parts ", s.parts, ": expected 0, or 2 to the model's ", layers, " layers");
  if (s.parts > 0 && names_layers(reference))
    fail<UsageError>("--parts ", s.parts, ": the model's own attention differs between layers (", reference,
                     "); give --parts 0");
}

/// What cells were made from, besides their pattern and length.
nlohmann::json contents_of(const Approximation& a, const std::vector<int32_t>& tokens) {
  const ModelFlags& model = a.settings.model;
  nlohmann::json contents{
      {"model_config", computed_with(given_config(model))},
      {"model_fingerprint", fingerprint_of(Weights(model.model)).to_string()},
      {"rope", model.rope},
      {"rope_factor", model.rope_factor ? nlohmann::json(*model.rope_factor) : nlohmann::json(nullptr)},
      {"dtype", model.dtype},
      {"base_dtype", model.base_dtype},
      {"tokens", hexadecimal(hash_bytes(tokens.data(), tokens.size() * sizeof tokens[0]))}};
  if (!model.adapter.empty()) {
    uint64_t hash = 0;
    for (const char* name : {"adapter_model.safetensors", "adapter_config.json", "config.json"})
      if (const fs::path file = adapter_folder(model.adapter) / name; fs::exists(file))
        hash = hash_text(read_text_file(file), hash);
    contents["adapter_fingerprint"] = hexadecimal(hash);
  }
  return contents;
}

void check_same(const fs::path& file, const nlohmann::json& now) {
  if (!fs::exists(file)) return;
  const nlohmann::json before = read_result(file);
  for (const auto& [key, value] : now.items()) {
    if (!before.contains(key) || before[key] != value)
      fail<UsageError>(file.string(), ": its cells were made with another ", key,
                       "; patterns, lengths and --parts may change: give the rest as it was, or a new --out");
  }
  for (const auto& [key, value] : before.items())
    if (!now.contains(key))
      fail<UsageError>(file.string(), ": its cells were made with ", key, "; give it again, or a new --out");
}

}  // namespace

Approximation plan_approximation(ApproximationSettings settings) {
  const LlamaConfig config = given_config(settings.model);
  Approximation a;
  a.reference = own_attention_text(config);
  a.layers = config.num_hidden_layers;
  std::ranges::sort(settings.lengths);
  check(settings, a.layers, a.reference);
  if (settings.patterns.empty())
    for (const PatternEntry& entry : registered_patterns())
      if (std::ranges::count(entry.examples, entry.name) > 0)  // mix says nothing by its name alone
        settings.patterns.push_back(entry.name);
  std::erase(settings.patterns, a.reference);
  if (settings.patterns.empty())
    fail<UsageError>("--patterns: names only ", a.reference, ", the model's own attention, which the others ",
                     "are held to; expected another pattern");
  a.made_for = rope_lengths(with_rope_flags(config, settings.model, settings.lengths.back())).made_for;
  a.settings = std::move(settings);
  const ApproximationSettings& s = a.settings;
  std::set<fs::path> files;
  const auto add = [&](ApproximationCell cell) {
    const AttentionSpec spec = parse_attention_spec(cell.attention);
    spec.check_layers(a.layers);
    for (int64_t layer = 0; layer < std::min(a.layers, spec.distinct_layers()); ++layer)
      spec.plan(cell.length, config.num_attention_heads, layer);  // a parameter that does not fit
    cell.file = cell_file(s.out, cell, spec);
    if (!files.insert(cell.file).second)
      fail<UsageError>("--patterns: '", cell.pattern, "' would share ", cell.file.string(),
                       " with another one");
    a.cells.push_back(std::move(cell));
  };
  for (const int64_t length : s.lengths) {
    add({.pattern = a.reference, .end = a.layers, .length = length, .attention = a.reference});
    for (const std::string& pattern : s.patterns)
      add({.pattern = pattern, .end = a.layers, .length = length, .attention = pattern});
  }
  for (const std::string& pattern : s.patterns) {
    for (int64_t part = 1; part <= s.parts && !names_layers(pattern); ++part) {
      const int64_t first = (part - 1) * a.layers / s.parts, end = part * a.layers / s.parts;
      add({pattern, part, first, end, s.lengths.back(), in_layers(pattern, first, end, a.reference)});
    }
  }
  return a;
}

int run_approximation(const Approximation& a) {
  const ApproximationSettings& s = a.settings;
  RunFolder::check(s.out, s.resume);
  const ReadTokens text = read_documents(load_tokenizer(s.model), s.text);
  const auto tokens = std::ssize(text.ids);
  if (tokens < 2 * s.lengths.back())
    fail("--data: ", tokens, " tokens, expected at least ", 2 * s.lengths.back(), " for two windows of ",
         s.lengths.back(), "; give more data or smaller --context");
  const nlohmann::json contents = contents_of(a, text.ids);
  check_same(s.out / kRecord, contents);
  const auto there = [](const ApproximationCell& cell) {
    return fs::exists(cell.file) && fs::exists(losses_file(cell));
  };
  const auto work = [&](const ApproximationCell& cell) {
    return tokens / cell.length * (cell.length - 1);  // predictions
  };
  int64_t total = 0, done = 0;
  for (const ApproximationCell& cell : a.cells) {
    total += work(cell);
    if (there(cell)) done += work(cell);
  }
  const LlamaConfig given = given_config(s.model);
  announce_rope(given, with_rope_flags(given, s.model, s.lengths.back()), s.lengths.back());
  fs::create_directories(s.out);
  write_result(s.out / kRecord, contents);
  InterruptGuard guard;
  std::optional<Llama> model;
  int64_t made_for = 0;
  Progress progress("patterns", total, done);
  for (const ApproximationCell& cell : a.cells) {
    if (there(cell)) continue;
    if (InterruptGuard::requested()) return 1;
    if (made_for != cell.length) {
      model.reset();  // before there are two
      model.emplace(load_model(s.model, cell.length));
      made_for = cell.length;
    }
    const EvaluationOptions options{.context = cell.length,
                                    .attention = parse_attention_spec(cell.attention)};
    const Evaluation evaluation =
        evaluate(*model, text.ids, options, [&](int64_t scored, int64_t, double nll) {
          progress.update(done + scored,
                          concat(cell.attention, " at ", cell.length, "  nll ", fixed(nll, 3)));
        });
    done += work(cell);
    fs::create_directories(cell.file.parent_path());
    write_losses(losses_file(cell), losses_of(evaluation, text.ids, options, text.starts));
    nlohmann::json result = to_json(evaluation);
    result["attention"] = cell.attention;
    write_result(cell.file, std::move(result));
  }
  progress.finish();
  return 0;
}

std::vector<ApproximationResult> read_approximation(const Approximation& a) {
  std::vector<ApproximationResult> results;
  std::map<int64_t, Losses> references;
  for (const ApproximationCell& cell : a.cells) {
    ApproximationResult result{.cell = &cell};
    const nlohmann::json stored = read_result(cell.file);
    SCCA_CHECK(stored.at("attention") == cell.attention, cell.file.string(), ": is of ",
               stored.at("attention").dump(), ", expected ", cell.attention, "; remove it");
    result.evaluation = stored.get<Evaluation>();
    Losses losses = read_losses(losses_file(cell));
    const Losses& reference =
        cell.attention == a.reference ? (references[cell.length] = losses) : references.at(cell.length);
    result.above = paired_difference(losses, reference);
    const int64_t columns = losses.nll.size(1);
    for (const PositionBucket& bucket : result.evaluation.by_position)  // column p has p + 1 tokens before it
      result.by_position.push_back(paired_difference(losses, reference, std::max<int64_t>(0, bucket.from - 1),
                                                     std::min(bucket.to - 1, columns)));
    result.sums = sums_of(losses);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace scca
