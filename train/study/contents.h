#pragma once
// What a study is about, by contents: a path may hold another text or another model tomorrow. And its
// results, which are only taken for what they say when they are what was written.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "train/study/study.h"

namespace scca {

/// What the base computes with, and hashes of its weights, of every byte of the training data, of the
/// tokens that are judged on, and of plan files among the patterns. Throws Error naming a file that cannot be
/// read.
nlohmann::json contents_of(const StudySettings& settings, const std::vector<int32_t>& judged_on);

/// A result: written whole or not at all, with a hash of what it says.
void write_result(const std::filesystem::path& file, nlohmann::json result);
/// Throws Error naming the file, and what to do, when it is not as write_result wrote it.
nlohmann::json read_result(const std::filesystem::path& file);

}  // namespace scca
