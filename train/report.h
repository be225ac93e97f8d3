#pragma once
// The comparison that a set of runs makes: one table and a few pictures, from the files that eval and
// finetune wrote.
#include <filesystem>
#include <string>
#include <vector>

namespace scca {

/// Reads OUT/ROW for each row and writes OUT/table.md, OUT/loss.png, OUT/position.png and OUT/recall.png;
/// returns the table (Markdown). Of a row's folder it reads what is there:
///   eval_N.json, losses_N.safetensors  perplexity under full attention at length N, and its token losses
///   own.json                           perplexity under the row's own pattern, at the longest N
///   recall.json                        scca eval recall
///   metrics.jsonl, pattern.json        of the fine-tuning run
/// Differences between rows are paired, token by token, against the row `reference`, with their standard
/// error. Throws Error naming the row and file that is missing or does not fit.
std::string write_report(const std::filesystem::path& out, const std::vector<std::string>& rows,
                         const std::string& reference);

}  // namespace scca
