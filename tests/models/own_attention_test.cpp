#include "models/own_attention.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

LlamaConfig parse(const std::string& fields) {
  return config_from_json(parse_json("{\"num_hidden_layers\":4," + fields + "}", "c"), "c");
}
std::string own(const std::string& fields) { return own_attention_text(parse(fields)); }
std::string error_on(const std::string& fields) {
  return error_of([&] { parse(fields); });
}

const std::string kMistral = "\"model_type\":\"mistral\"", kQwen = "\"model_type\":\"qwen2\"";
const std::string kOn = "\"use_sliding_window\":true";

std::string types(std::initializer_list<const char*> layers) {
  Json list = Json::array();
  for (const std::string layer : layers) list.push_back(layer + "_attention");
  return "\"layer_types\":" + list.dump();
}

}  // namespace

TEST_CASE(
    "own_attention: Mistral's window is every layer's, 4096 where the key is absent, none where it is null") {
  CHECK(own(kMistral) == "window(chunk=4096)");
  CHECK(own(kMistral + ",\"sliding_window\":null") == "full");
  CHECK(own(kMistral + ",\"sliding_window\":12") == "window(chunk=12)");
  CHECK(own(kMistral + ",\"sliding_window\":12," + types({"sliding", "sliding", "sliding", "sliding"})) ==
        "window(chunk=12)");
  CHECK(own(kMistral + ",\"sliding_window\":null," + types({"full", "full", "full", "full"})) == "full");
}

TEST_CASE("own_attention: Qwen's is of the layers that max_window_layers or layer_types names, if it is on") {
  for (const std::string& qwen : {kQwen, std::string("\"model_type\":\"qwen3\"")}) {
    CHECK(own(qwen) == "full");
    CHECK(own(qwen + ",\"sliding_window\":12,\"max_window_layers\":0") == "full");
    CHECK(own(qwen + ",\"use_sliding_window\":false,\"sliding_window\":12,\"max_window_layers\":0") ==
          "full");
    CHECK(own(qwen + "," + kOn) == "full");  // 28 layers without
    CHECK(own(qwen + "," + kOn + ",\"max_window_layers\":0") == "window(chunk=4096)");
    CHECK(own(qwen + "," + kOn + ",\"max_window_layers\":0,\"sliding_window\":null") == "full");
    CHECK(own(qwen + "," + kOn + ",\"max_window_layers\":3,\"sliding_window\":7") ==
          "full@0,1,2;window(chunk=7)");
    CHECK(own(qwen + "," + kOn + ",\"sliding_window\":7,\"max_window_layers\":0," +
              types({"sliding", "full", "sliding", "full"})) == "full@1,3;window(chunk=7)");
    CHECK(own(qwen + "," + kOn + "," + types({"full", "full", "full", "full"})) == "full");
  }
}

TEST_CASE("own_attention: LLaMA has none, and says nothing of it in config.json") {
  CHECK(own("\"model_type\":\"llama\"") == "full");
  CHECK(own("\"model_type\":\"llama\"," + types({"full", "full", "full", "full"})) == "full");
  CHECK(own_attention_name(parse("\"model_type\":\"llama\"")) == "full attention");
  const Json written = to_json(parse("\"model_type\":\"llama\""));
  for (const char* key :
       {"sliding_window", "use_sliding_window", "layer_types", "attention_bias", "mlp_bias"})
    CHECK(!written.contains(key));
}

TEST_CASE("own_attention: keys that contradict each other, or that the family does not read, are refused") {
  CHECK(error_on("\"model_type\":\"llama\",\"sliding_window\":12")
            .starts_with("c: \"sliding_window\" is 12, and this"));
  CHECK(error_on("\"model_type\":\"llama\"," + types({"full", "sliding", "full", "full"})) ==
        "c: layer_types has sliding_attention, but a llama has no sliding window");
  CHECK(error_on(kMistral + ",\"use_sliding_window\":true")
            .starts_with("c: \"use_sliding_window\" is true, and this"));
  for (const char* bad : {"0", "-1", "2147483648"})
    CHECK(error_on(kMistral + ",\"sliding_window\":" + bad) ==
          concat("c: sliding_window is ", bad, ", expected 1 to 2147483647 tokens, or null for none"));
  CHECK(error_on(kMistral + ",\"sliding_window\":12," + types({"full", "sliding", "sliding", "sliding"})) ==
        "c: layer_types has full_attention, but sliding_window is 12, which is every layer's in a mistral; "
        "expected "
        "sliding_attention for all layers, or sliding_window null");
  CHECK(error_on(kMistral + ",\"sliding_window\":null," + types({"full", "sliding", "full", "full"})) ==
        "c: layer_types has sliding_attention, but sliding_window is null");
  CHECK(error_on(kQwen + "," + types({"full", "sliding", "full", "full"})) ==
        "c: layer_types has sliding_attention, but use_sliding_window is not true");
  CHECK(error_on(kQwen + "," + types({"full", "full", "full"})).ends_with("for each of the 4 layers"));
  CHECK(error_on(kQwen + "," + types({"full", "chunked", "full", "full"}))
            .ends_with("for each of the 4 layers"));
  CHECK(error_on(kQwen + ",\"layer_types\":\"full_attention\"").ends_with("for each of the 4 layers"));
  CHECK(error_on(kQwen + ",\"max_window_layers\":-1") == "c: max_window_layers is -1, expected 0 or more");
  CHECK(error_on(kQwen + "," + kOn + ",\"num_hidden_layers\":4").find("twice") != std::string::npos);
}

TEST_CASE("own_attention: a window that the family cannot have is not written") {
  LlamaConfig llama = parse("\"model_type\":\"llama\"");
  llama.sliding_window = 5;
  CHECK(error_of([&] { to_json(llama); }) == "config: sliding_window is 5, expected none in a llama");
  LlamaConfig mistral = parse(kMistral);
  mistral.full_layers = {0};
  CHECK(error_of([&] { to_json(mistral); }).ends_with("which a mistral cannot have"));
  LlamaConfig qwen = parse(kQwen);
  qwen.sliding_window = 5, qwen.full_layers = {4};
  CHECK(error_of([&] { to_json(qwen); }).ends_with("which a qwen2 cannot have"));
}

TEST_CASE("own_attention: what is written is read back, also without the file that it came from") {
  for (const std::string& fields :
       {kMistral, kMistral + ",\"sliding_window\":null", kMistral + ",\"sliding_window\":12", kQwen,
        kQwen + "," + kOn + ",\"max_window_layers\":3,\"sliding_window\":7",
        kQwen + "," + kOn + ",\"max_window_layers\":0,\"sliding_window\":7",
        kQwen + "," + kOn + ",\"sliding_window\":7," + types({"sliding", "full", "sliding", "full"}),
        kQwen + ",\"use_sliding_window\":true," + types({"full", "full", "full", "full"})}) {
    CAPTURE(fields);
    LlamaConfig config = parse(fields);
    for (const bool raw : {true, false}) {
      if (!raw) config.raw = Json::object();
      const LlamaConfig again = config_from_json(to_json(config), "c");
      CHECK(again.family == config.family);
      CHECK(own_attention_text(again) == own_attention_text(config));
    }
  }
  // Older readers know max_window_layers alone.
  CHECK(to_json(parse(kQwen + "," + kOn + ",\"sliding_window\":7," +
                      types({"full", "full", "sliding", "sliding"})))
            .at("max_window_layers") == 2);
  // A window that is off stays in the file as it was.
  const Json off = to_json(parse(kQwen + ",\"use_sliding_window\":false,\"sliding_window\":131072"));
  CHECK(off.at("sliding_window") == 131072);
  CHECK(off.at("use_sliding_window") == false);
}

TEST_CASE("own_attention: a query sees the last w tokens, itself among them") {
  const PlanPtr plan = own_attention(parse(kMistral + ",\"sliding_window\":3")).plan(9, 2, 1);
  for (int64_t query = 0; query < 9; ++query)
    for (int64_t key = 0; key < 9; ++key)
      CHECK(sees(*plan, 0, query, key) == (key <= query && query - key < 3));
}
