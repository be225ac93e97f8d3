#include "models/adapter_config.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

/// As PEFT 0.21.2 writes it: every field of LoraConfig, each at its default.
Json written_by_peft() {
  const std::string path = SCCA_SOURCE_DIR "/tests/golden/adapters/gaussian/adapter_config.json";
  Json json = parse_json(read_text_file(path), path);
  json["init_lora_weights"] = true;
  return json;
}

AdapterConfig with(const std::string& key, const Json& value) {
  Json json = written_by_peft();
  json[key] = value;
  return adapter_config_from_json(json, "c");
}

std::string error_with(const std::string& key, const Json& value) {
  return error_of([&] { with(key, value); });
}

}  // namespace

TEST_CASE("adapter config: every field at PEFT's default is read, and needs no other") {
  const AdapterConfig config = adapter_config_from_json(written_by_peft(), "c");
  CHECK(config.info.lora.rank == 2);
  CHECK(config.info.lora.alpha == 4);
  CHECK(config.info.lora.targets == std::set<std::string>{"q_proj", "v_proj"});
  CHECK(config.info.base_model == "gqa_tied");
  CHECK(written_by_peft().size() > 40);
  const AdapterConfig least = adapter_config_from_json({{"r", 3}, {"lora_alpha", 6}}, "c");
  CHECK(least.scale_of("model.layers.0.self_attn.q_proj") == 2);
  CHECK(error_of([] { adapter_config_from_json({{"r", 3}}, "c"); }) == "c: no lora_alpha, expected a number");
}

// The value that each field is set to by those who use it.
TEST_CASE("adapter config: what makes it another function is refused by name") {
  const std::vector<std::pair<std::string, Json>> settings = {
      {"task_type", "SEQ_CLS"},
      {"init_lora_weights", "pissa"},
      {"init_lora_weights", "pissa_niter_16"},
      {"init_lora_weights", "olora"},
      {"init_lora_weights", "corda"},
      {"init_lora_weights", "loftq"},
      {"init_lora_weights", "lora_ga"},
      {"init_lora_weights", "mica"},
      {"bias", "some"},
      {"lora_bias", true},
      {"fan_in_fan_out", true},
      {"use_dora", true},
      {"use_qalora", true},
      {"use_bdlora", {{"nblocks", 2}}},
      {"alora_invocation_tokens", {1, 2}},
      {"trainable_token_indices", {0, 1}},
      {"layer_replication", Json::array({{0, 1}, {0, 1}})},
      {"target_parameters", {"experts.down_proj"}},
      {"megatron_config", {{"tp", 2}}},
      {"arrow_config", {{"top_k", 3}}},
      {"kasa_config", {{"beta", 1}}},
      {"monteclora_config", {{"samples", 3}}},
      {"velora_config", {{"groups", 3}}},
  };
  for (const auto& [key, value] : settings) {
    CAPTURE(key);
    CHECK(error_with(key, value).starts_with("c: " + key + " is " + value.dump() + ", expected "));
  }
}

TEST_CASE("adapter config: another kind of adapter is named before its fields") {
  for (const Json& kind : {Json("IA3"), Json("VERA")})
    CHECK(error_of([&] {
            adapter_config_from_json({{"peft_type", kind}, {"feedforward_modules", {"down_proj"}}}, "c");
          }) == "c: peft_type is " + kind.dump() +
                    ", expected \"LORA\": no other kind of adapter is read. "
                    "Where PEFT can merge it (merge_and_unload) give the merged model");
  CHECK(error_with("peft_type", 3).starts_with("c: peft_type is 3, expected"));
}

TEST_CASE("adapter config: an empty list or object is none, where PEFT takes it so") {
  for (const char* key : {"target_parameters", "layer_replication", "alora_invocation_tokens"})
    CHECK(error_with(key, Json::array()) == "no error");
  CHECK(error_with("megatron_config", Json::object()) == "no error");
  CHECK(error_with("trainable_token_indices", Json::array())
            .starts_with("c: trainable_token_indices is [], expected null"));
  CHECK(error_with("use_dora", Json::array()).starts_with("c: use_dora is [], expected false"));
}

TEST_CASE("adapter config: an unknown field passes while it says nothing") {
  for (const Json& nothing : {Json(), Json(false), Json(""), Json::array(), Json::object()})
    CHECK(error_with("use_new_trick", nothing) == "no error");
  for (const Json& something : {Json(true), Json(1), Json(0), Json("x"), Json{1}, Json{{"a", 1}}})
    CHECK(error_with("use_new_trick", something) == "c: \"use_new_trick\" is " + something.dump() +
                                                        ", and this program does not know that field: it may "
                                                        "change what is computed. Remove it if it does not");
}

TEST_CASE("adapter config: starts that leave the base as it is, and how they were computed, change nothing") {
  for (const Json& start : {Json(false), Json("gaussian"), Json("eva"), Json("orthogonal")})
    CHECK(error_with("init_lora_weights", start) == "no error");
  CHECK(error_with("corda_config", {{"cache", "x"}}) == "no error");
  CHECK(error_with("peft_version", "1.0") == "no error");
}

TEST_CASE("adapter config: rank_pattern and alpha_pattern name layers by their end") {
  Json json = written_by_peft();
  json["rank_pattern"] = {{"q_proj", 8}, {"layers.1.self_attn.v_proj", 1}};
  json["alpha_pattern"] = {{"v_proj", 3}};
  const AdapterConfig config = adapter_config_from_json(json, "c");
  CHECK(config.rank_of("model.layers.0.self_attn.q_proj") == 8);
  CHECK(config.rank_of("model.layers.0.self_attn.v_proj") == 2);
  CHECK(config.rank_of("model.layers.1.self_attn.v_proj") == 1);
  CHECK(config.rank_of("model.layers.11.self_attn.v_proj") == 2);
  CHECK(config.scale_of("model.layers.0.self_attn.q_proj") == 0.5);
  CHECK(config.scale_of("model.layers.1.self_attn.v_proj") == 3);
  json["use_rslora"] = true;
  CHECK(adapter_config_from_json(json, "c").scale_of("model.layers.0.self_attn.v_proj") ==
        doctest::Approx(3 / std::sqrt(2.0)));
  CHECK(with("rank_pattern", {{".*q_pro[a-j]", 8}}).rank_of("model.layers.3.self_attn.q_proj") == 8);
  CHECK(with("rank_pattern", {{"^q_proj", 8}}).rank_of("model.layers.3.self_attn.q_proj") == 2);
  CHECK(error_with("rank_pattern", {{"(?i)q_proj", 8}})
            .starts_with("c: rank_pattern has \"(?i)q_proj\": (? is not read"));
  CHECK(error_with("alpha_pattern", {{"q_proj", "8"}}) ==
        "c: alpha_pattern has \"q_proj\": \"8\", expected a number");
  for (const double rank : {0.0, 2.5, 1e300})
    CHECK(error_with("rank_pattern", {{"q_proj", rank}}).ends_with("expected a whole number from 1 up"));
}

TEST_CASE("adapter config: the first key in the file that names a layer counts") {
  for (const std::string& order :
       {std::string(R"("q_proj":8,".*proj":4)"), std::string(R"(".*proj":4,"q_proj":8)")}) {
    const TemporaryFolder folder;
    write_file(folder / "adapter_config.json", R"({"r":2,"lora_alpha":4,"rank_pattern":{)" + order + "}}");
    const AdapterConfig config = read_adapter_config(folder.path());
    CHECK(config.rank_of("model.layers.0.self_attn.q_proj") == (order[1] == 'q' ? 8 : 4));
    CHECK(config.rank_of("model.layers.0.self_attn.v_proj") == 4);
    CHECK(config.rank_of("lm_head") == 2);
  }
}

TEST_CASE("adapter config: which layers must have an update") {
  const std::string q = "model.layers.0.self_attn.q_proj", k = "model.layers.0.self_attn.k_proj",
                    q1 = "model.layers.1.self_attn.q_proj", q10 = "model.layers.10.self_attn.q_proj";
  const AdapterConfig all = adapter_config_from_json(written_by_peft(), "c");
  CHECK(all.targets(q));
  CHECK(!all.targets(k));
  const AdapterConfig one = with("layers_to_transform", 1);
  CHECK(one.targets(q1));
  CHECK(!one.targets(q));
  CHECK(!one.targets(q10));
  CHECK(with("layers_to_transform", {0, 10}).targets(q10));
  CHECK(!with("exclude_modules", {"q_proj"}).targets(q));
  CHECK(!with("exclude_modules", ".*q_proj").targets(q));
  CHECK(with("exclude_modules", ".*k_proj").targets(q));
  CHECK(with("target_modules", ".*q_proj").targets(q));
  CHECK(!with("target_modules", ".*q_proj").targets(k));
  CHECK(!with("target_modules", "q_proj").targets(q));        // an expression is for the whole name
  CHECK(!with("target_modules", "(?i).*q_proj").targets(q));  // not read: the tensors tell
  CHECK(!with("exclude_modules", "(?i).*k_proj").targets(q));
  CHECK(!with("target_modules", nullptr).targets(q));  // PEFT's own choice
  CHECK(!with("target_modules", "All-Linear").targets(k));
  CHECK(!with("modules_to_save", {"self_attn"}).targets(q));
  for (const Json& none : {Json::array(), Json("")})
    CHECK(error_with("target_modules", none) == "c: target_modules names no layer");
}

TEST_CASE("adapter config: which layers have no update, whatever is stored, and by which field") {
  const std::string q = "model.layers.0.self_attn.q_proj", k = "model.layers.0.self_attn.k_proj",
                    q1 = "model.layers.1.self_attn.q_proj";
  const AdapterConfig all = adapter_config_from_json(written_by_peft(), "c");
  CHECK(all.left_out_by(q).empty());
  CHECK(all.left_out_by(k) == "target_modules");
  CHECK(all.left_out_by("lm_head") == "target_modules");
  for (const Json& layers : {Json(1), Json{1, 10}}) {
    CHECK(with("layers_to_transform", layers).left_out_by(q) == "layers_to_transform");
    CHECK(with("layers_to_transform", layers).left_out_by(q1).empty());
  }
  CHECK(with("layers_to_transform", Json::array()).left_out_by(q).empty());
  for (const Json& names : {Json("q_proj"), Json("(?i).*k_proj")})
    CHECK(with("exclude_modules", names).left_out_by(q).empty());
  for (const Json& names : {Json(".*q_proj"), Json{"q_proj"}, Json{q}, Json{"self_attn.q_proj"}})
    CHECK(with("exclude_modules", names).left_out_by(q) == "exclude_modules");
  for (const Json& names : {Json(".*k_proj"), Json("q_proj"), Json{"proj"}, Json{"k_proj"}})
    CHECK(with("target_modules", names).left_out_by(q) == "target_modules");
  for (const Json& names : {Json(".*q_proj"), Json("all-linear"), Json("(?i).*k_proj"), Json(), Json{q}})
    CHECK(with("target_modules", names).left_out_by(q).empty());
  for (const char* name : {"lm_head", "model.embed_tokens"})
    CHECK(with("target_modules", "All-Linear").left_out_by(name) == "target_modules");
  CHECK(with("modules_to_save", {"mlp", "q_proj"}).left_out_by(q) == "modules_to_save");
  CHECK(with("modules_to_save", {"proj"}).left_out_by(q).empty());
  // A whole name stands above the layers.
  Json json = written_by_peft();
  json["target_modules"] = {q, "v_proj"};
  json["layers_to_transform"] = 1;
  CHECK(adapter_config_from_json(json, "c").left_out_by(q).empty());
  json["target_modules"] = ".*q_proj";
  CHECK(error_of([&] {
          adapter_config_from_json(json, "c");
        }).starts_with("c: layers_to_transform beside an expression in target_modules"));
}
