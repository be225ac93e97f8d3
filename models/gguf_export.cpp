#include "models/gguf_export.h"

#include <algorithm>

#include "core/check.h"
#include "models/files/block_formats.h"
#include "models/gguf_model.h"
#include "ops/cast.h"

namespace scca {
namespace {

/// general.file_type of a file that is mostly in this format.
uint32_t file_type(const std::string& dtype) {
  if (const BlockFormat* format = block_format(dtype)) return format->file_type;
  return dtype == "F16" ? 1 : 0;
}

/// What a parameter of this shape is written as in a file that is mostly `dtype`.
std::string format_of(const std::string& name, const Shape& shape, const std::string& dtype) {
  if (shape.size() < 2) return "F32";
  const bool outside = name == "model.embed_tokens.weight" || name == "lm_head.weight";
  const std::string wanted = dtype == "Q4_0" && outside ? "Q8_0" : dtype;
  const BlockFormat* format = block_format(wanted);
  return format && shape.back() % format->weights() != 0 ? "F16" : wanted;
}

/// Rows of `weight` as the file has them: those of q and k in llama.cpp's order, times `factor`.
void add_weight(GgufContent& content, const std::string& name, const Tensor& weight, int64_t interleaved,
                const std::string& dtype, float factor = 1) {
  const int64_t width = weight.shape().back();
  content.add(name, weight.shape(), dtype, [=](int64_t row, float* out) {
    const bool elements = weight.rank() == 1 && interleaved;  // a bias, whose rows are its elements
    for (int64_t i = 0; i < width; ++i) {
      const int64_t from =
          elements ? row_in_model(i, interleaved) : row_in_model(row, interleaved) * width + i;
      out[i] = factor * (weight.dtype() == DType::bf16 ? static_cast<float>(weight.data<bf16>()[from])
                                                       : weight.data<float>()[from]);
    }
  });
}

}  // namespace

void add_gguf_model(GgufContent& content, const Llama& model, const std::string& dtype) {
  set_gguf_config(content, model.config);
  content.set("general.file_type", file_type(dtype));
  const_cast<Llama&>(model).for_each_parameter([&](const std::string& name, Tensor& weight) {
    SCCA_CHECK(name.find(".lora_") == std::string::npos, "gguf: ", name,
               " is not merged; call merge_lora() first");
    add_weight(content, gguf_name(name), weight.detach().to(Device::cpu),
               gguf_interleaved(name, model.config), format_of(name, weight.shape(), dtype));
  });
}

void add_gguf_adapter(GgufContent& content, const Llama& model) {
  const auto alpha_of = [](const Linear& linear) {
    return linear.lora->scale * static_cast<double>(linear.lora->a_RI.size(0));
  };
  bool any = false;
  double alpha = 0;
  const_cast<Llama&>(model).for_each_linear([&](const std::string&, Linear& linear) {
    if (!linear.lora) return;
    any = true;
    if (alpha == 0) alpha = alpha_of(linear);
  });
  SCCA_CHECK(any, "gguf: the model carries no LoRA");
  if (alpha == 0)
    alpha = 1;  // no layer changes anything: each B is 0, where an alpha of 0 would mean another
  const_cast<Llama&>(model).for_each_linear([&](const std::string& name, Linear& linear) {
    if (!linear.lora) return;
    const auto factor = static_cast<float>(alpha_of(linear) / alpha);
    const std::string theirs = gguf_name(name + ".weight");
    add_weight(content, theirs + ".lora_a", linear.lora->a_RI.detach().to(Device::cpu), 0, "F32");
    add_weight(content, theirs + ".lora_b", linear.lora->b_OR.detach().to(Device::cpu),
               gguf_interleaved(name + ".weight", model.config), "F32", factor);
  });
  content.set("general.architecture", gguf_architecture(model.config));
  content.set("general.type", "adapter");
  content.set("adapter.type", "lora");
  content.set("adapter.lora.alpha", static_cast<float>(alpha));
}

}  // namespace scca
