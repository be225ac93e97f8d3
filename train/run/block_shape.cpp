#include "train/run/block_shape.h"

#include <map>

#include "core/check.h"

namespace scca {

std::vector<BlockShape> block_shapes(const ModelShape& shape) {
  std::map<std::string, const ModelShape::Parameter*> by_name;
  for (const ModelShape::Parameter& p : shape.parameters) by_name[p.name] = &p;
  const auto find = [&](const std::string& name) -> const ModelShape::Parameter& {
    const auto found = by_name.find(name);
    SCCA_CHECK(found != by_name.end(), "memory: the model has no ", name);
    return *found->second;
  };
  std::vector<BlockShape> blocks;
  for (int64_t i = 0; i < shape.config.num_hidden_layers; ++i) {
    const std::string name = concat("model.layers.", i, ".");
    const auto linear = [&](const char* part) {
      const ModelShape::Parameter& weight = find(name + part + ".weight");
      const auto a = by_name.find(name + part + ".lora_A.weight");
      return LinearShape{weight.shape[1], weight.shape[0], a == by_name.end() ? 0 : a->second->shape[0],
                         weight.learns};
    };
    blocks.push_back({linear("self_attn.q_proj"), linear("self_attn.k_proj"), linear("self_attn.v_proj"),
                      linear("self_attn.o_proj"), linear("mlp.gate_proj"), linear("mlp.up_proj"),
                      linear("mlp.down_proj"), find(name + "input_layernorm.weight").learns,
                      find(name + "post_attention_layernorm.weight").learns});
  }
  return blocks;
}

}  // namespace scca
