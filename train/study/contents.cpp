#include "train/study/contents.h"

#include "core/check.h"
#include "core/file.h"
#include "core/hash.h"
#include "models/config.h"
#include "models/fingerprint.h"
#include "nn/json.h"
#include "nn/patterns/spec.h"
#include "train/data/documents.h"

namespace scca {
namespace {

constexpr const char* kHash = "content_hash";

uint64_t hash_of_files(const std::vector<std::string>& paths, const std::string& text_field) {
  uint64_t hash = 0;
  for (const std::filesystem::path& file : data_files(paths, text_field)) {
    const auto mapped = MappedFile::open(file);
    hash = hash_bytes(mapped->data(), mapped->size(), hash);
  }
  return hash;
}

}  // namespace

nlohmann::json contents_of(const StudySettings& settings, const std::vector<int32_t>& judged_on) {
  const std::string& model = settings.finetune.model.model;
  nlohmann::json contents{
      {"model_config", computed_with(read_config(model))},
      {"model_fingerprint", fingerprint_of(Weights(model)).to_string()},
      {"data_fingerprint",
       hexadecimal(hash_of_files(settings.finetune.train.data, settings.finetune.train.text_field))},
      {"eval_data_fingerprint",
       hexadecimal(hash_bytes(judged_on.data(), judged_on.size() * sizeof judged_on[0]))}};
  std::string plans;
  for (const std::string& pattern : settings.patterns) plans += parse_attention_spec(pattern).file_hash();
  if (!plans.empty()) contents["patterns_fingerprint"] = plans;
  return contents;
}

void write_result(const std::filesystem::path& file, nlohmann::json result) {
  result[kHash] = hexadecimal(hash_text(result.dump()));
  write_file(file, result.dump() + "\n");
}

nlohmann::json read_result(const std::filesystem::path& file) {
  // A run does not go back to its mark: what it was there is made again with the run.
  const std::filesystem::path again = file.filename() == "mark.json" ? file.parent_path() : file;
  try {
    nlohmann::json result = parse_json(read_text_file(file), file.string());
    SCCA_CHECK(result.is_object() && result.contains(kHash), file.string(), ": has no ", kHash);
    const nlohmann::json hash = result[kHash];
    result.erase(kHash);
    SCCA_CHECK(hash == hexadecimal(hash_text(result.dump())), file.string(),
               ": says other things than were written");
    return result;
  } catch (const Error& error) {
    fail(error.message, "; it is damaged: remove ", again.string(),
         ", and the same command with --resume makes it again");
  }
}

}  // namespace scca
