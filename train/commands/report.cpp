// scca report: the table and pictures of a set of runs.
#include "train/report.h"

#include <algorithm>
#include <iostream>
#include <memory>

#include "train/command.h"

namespace scca {
namespace {

struct Flags {
  std::string out, reference;
  std::vector<std::string> rows;
};

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--out", flags->out,
                 "Folder that holds a folder for each row, and gets table.md and the pictures")
      ->required();
  app.add_option("--reference", flags->reference,
                 "Row that the others are compared with, token by token (default: full, or the first)");
  app.add_option("rows", flags->rows, "Names of the rows' folders, in the table's order")->required();
  return [flags] {
    const bool has_full = std::find(flags->rows.begin(), flags->rows.end(), "full") != flags->rows.end();
    const std::string reference = !flags->reference.empty() ? flags->reference
                                  : has_full                ? "full"
                                                            : flags->rows.front();
    std::cout << write_report(flags->out, flags->rows, reference);
    return 0;
  };
}

const RegisterCommand line("report", "Write the table and pictures that compare a set of runs", set_up);

}  // namespace
}  // namespace scca
