#include "train/data/bos.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>

#include "core/check.h"

namespace scca {

std::vector<std::string> bos_choices(bool windows) {
  std::vector<std::string> choices{"auto", "on", "off"};
  if (windows) choices.push_back("windows");
  return choices;
}

std::string bos_help(const std::string& where, bool windows) {
  return concat("BOS ", where, "; auto: if the tokenizer's files say that it adds one",
                windows ? "; windows: at the front of every window instead" : "");
}

void add_bos_flag(CLI::App& app, std::string& bos, const std::string& where, bool windows) {
  app.add_option("--bos", bos, bos_help(where, windows))
      ->check(CLI::IsMember(bos_choices(windows)))
      ->capture_default_str();
}

bool puts_bos(const std::string& bos, const Tokenizer& tokenizer) {
  const bool wanted = bos == "on" || (bos == "auto" && tokenizer.adds_bos());
  if ((wanted || bos == "windows") && tokenizer.bos_id() < 0)
    fail(Setting("bos"), " ", bos, ": the tokenizer's vocabulary has no BOS; choose ", Setting("bos"),
         " off");
  return wanted;
}

void announce_bos(const std::string& bos, const Tokenizer& tokenizer, const std::string& where) {
  const bool windows = bos == "windows";
  std::cerr << "BOS " << (windows ? "before every window" : where) << ": "
            << (windows || puts_bos(bos, tokenizer) ? "yes" : "no") << (bos == "auto" ? " (auto)" : "")
            << "\n";
}

std::vector<int32_t> bos_before_windows(const std::vector<int32_t>& tokens, int64_t context, int32_t bos) {
  SCCA_CHECK(context >= 2, Setting("bos"), " windows: a window of ", context,
             " tokens has no room for BOS and another");
  std::vector<int32_t> with_bos;
  for (size_t begin = 0; begin < tokens.size(); begin += static_cast<size_t>(context - 1)) {
    const size_t end = std::min(tokens.size(), begin + static_cast<size_t>(context - 1));
    with_bos.push_back(bos);
    with_bos.insert(with_bos.end(), tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                    tokens.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return with_bos;
}

}  // namespace scca
