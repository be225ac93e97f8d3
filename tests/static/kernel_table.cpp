#include "tests/static/kernel_table.h"

#include <algorithm>
#include <functional>
#include <sstream>

#include "core/check.h"
#include "tests/static/occupancy.h"

namespace scca::test {
namespace {

const std::string kHeader =
    "| kernel | threads | dynamic shared | static shared | stack | registers | blocks per SM | warps per SM "
    "| HMMA |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
const std::string kFirstColumn = "| kernel |";

/// "8 / 8 / 6": one number for each known architecture; "8" where they are all the same; "-" where there is
/// none.
std::string format_archs(const std::function<int(int)>& of) {
  std::string all;
  bool same = true;
  for (const int arch : known_archs()) {
    same = same && of(arch) == of(known_archs().front());
    all += (all.empty() ? "" : " / ") + std::to_string(of(arch));
  }
  return same ? std::to_string(of(known_archs().front())) : all;
}

std::map<int, int> parse_archs(const std::string& cell, const std::string& line) {
  std::istringstream words(cell);
  std::vector<int> numbers;
  for (std::string word; words >> word;)
    if (word != "/") numbers.push_back(std::stoi(word));
  const size_t archs = known_archs().size();
  SCCA_CHECK(numbers.size() == 1 || numbers.size() == archs, "static: '", cell, "' in '", line,
             "': expected one or ", archs, " numbers");
  std::map<int, int> result;
  for (size_t i = 0; i < archs; ++i) result[known_archs()[i]] = numbers[numbers.size() == 1 ? 0 : i];
  return result;
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" `"), end = text.find_last_not_of(" `");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

int number_or_unknown(const std::string& cell) { return cell == "?" ? -1 : std::stoi(cell); }
std::string format_known(int number) { return number < 0 ? "?" : std::to_string(number); }

Occupancy occupancy_of(const KernelRow& row, int arch, const ArchFacts& facts) {
  return occupancy(arch, row.threads, facts.registers, static_cast<size_t>(facts.static_shared),
                   static_cast<size_t>(row.dynamic_shared));
}

/// Whether the table is about this card.
bool of_table(int arch) { return std::count(known_archs().begin(), known_archs().end(), arch) > 0; }

bool launch_known(const KernelRow& row) { return row.threads > 0 && row.dynamic_shared >= 0; }

KernelRow row_of(const KernelFacts& kernel, const std::map<std::string, KernelRow>& known) {
  const auto found = known.find(kernel.name);
  KernelRow row = found != known.end() ? found->second : KernelRow{kernel.name, -1, -1, {}, {}};
  if (row.threads < 0 && kernel.bound > 0) row.threads = kernel.bound;
  if (row.dynamic_shared < 0 && !kernel.uses_dynamic) row.dynamic_shared = 0;
  return row;
}

std::string format_row(const KernelFacts& kernel, const KernelRow& row) {
  const auto facts = [&](int arch) { return kernel.archs.at(arch); };
  const auto fits = [&](int arch) {
    return launch_known(row) ? occupancy_of(row, arch, facts(arch)) : Occupancy{};
  };
  return concat("| `", kernel.name, "` | ", format_known(row.threads), " | ",
                format_known(row.dynamic_shared), " | ",
                format_archs([&](int arch) { return facts(arch).static_shared; }), " | ",
                format_archs([&](int arch) { return facts(arch).stack_bytes; }), " | ",
                format_archs([&](int arch) { return facts(arch).registers; }), " | ",
                format_archs([&](int arch) { return fits(arch).blocks; }), " | ",
                format_archs([&](int arch) { return fits(arch).warps; }), " | ",
                format_archs([&](int arch) { return facts(arch).tensor_core; }), " |\n");
}

/// What is wrong with a kernel's launch as the table has it.
void add_launch_faults(const KernelFacts& kernel, const KernelRow& row, std::vector<std::string>& all) {
  if (!launch_known(row))
    all.push_back(
        concat(kernel.name, ": the table has '?'; write the threads and bytes that its launch passes"));
  if (kernel.bound > 0 && row.threads > kernel.bound)
    all.push_back(concat(kernel.name, ": the table has ", row.threads, " threads, its __launch_bounds__ ",
                         kernel.bound, "; which is the launch's?"));
  if (kernel.uses_dynamic && row.dynamic_shared == 0)
    all.push_back(
        concat(kernel.name, ": names dyn_smem, and the table has 0 bytes; write what its launch passes"));
}

}  // namespace

std::map<std::string, KernelRow> parse_table(const std::string& markdown) {
  std::map<std::string, KernelRow> rows;
  std::istringstream lines(markdown);
  bool in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(kFirstColumn, 0) == 0) in_table = true;
    if (!in_table || line.rfind("| `", 0) != 0) continue;
    std::vector<std::string> cells;
    std::istringstream columns(line.substr(1));
    for (std::string cell; std::getline(columns, cell, '|');) cells.push_back(trimmed(cell));
    SCCA_CHECK(cells.size() >= 9, "static: '", line, "': expected 9 columns; write the table again");
    try {
      rows[cells[0]] = {cells[0], number_or_unknown(cells[1]), number_or_unknown(cells[2]),
                        parse_archs(cells[6], line), parse_archs(cells[8], line)};
    } catch (const std::logic_error&) {  // stoi's
      fail("static: '", line, "': expected numbers");
    }
  }
  return rows;
}

void take_launches(const std::string& list, std::map<std::string, KernelRow>& rows,
                   const std::vector<KernelFacts>& kernels) {
  std::map<std::string, std::pair<int, int>> seen;  // by file and short name
  std::istringstream lines(list);
  for (std::string line; std::getline(lines, line);) {
    const size_t space = line.find(' '), tab = line.find('\t'), last = line.rfind('\t');
    SCCA_CHECK(space < tab && tab < last && last != std::string::npos, "static: '", line,
               "' is no line of CUEMU_LIST_LAUNCHES");
    auto& [threads, bytes] =
        seen[line.substr(0, space + 1) + shortened(line.substr(space + 1, tab - space - 1))];
    threads = std::max(threads, std::stoi(line.substr(tab + 1)));
    bytes = std::max(bytes, std::stoi(line.substr(last + 1)));
  }
  for (const KernelFacts& kernel : kernels) {
    const std::string own = kernel.name.substr(kernel.name.find(' ') + 1);
    for (const auto& [name, launch] : seen) {
      // The list has a file's last folder only; a kernel made of a template is where that is, in a header.
      const size_t space = name.find(' ');
      const bool of_header = name.substr(0, space).ends_with(".cuh");
      if (!kernel.name.ends_with(name) && !(of_header && name.substr(space + 1) == own)) continue;
      KernelRow& row = rows[kernel.name];
      row.name = kernel.name;
      row.threads = launch.first;
      row.dynamic_shared = launch.second;
    }
  }
}

std::string format_table(const std::string& markdown, const std::vector<KernelFacts>& kernels,
                         const std::map<std::string, KernelRow>& known) {
  std::map<std::string, std::string> rows;  // in the order of their names
  for (const KernelFacts& kernel : kernels) rows[kernel.name] = format_row(kernel, row_of(kernel, known));
  std::string text = markdown.substr(0, markdown.find(kFirstColumn)) + kHeader;
  for (const auto& [name, row] : rows) text += row;
  return text;
}

std::vector<std::string> faults(const std::vector<KernelFacts>& kernels,
                                const std::map<std::string, KernelRow>& table) {
  std::vector<std::string> all;
  std::map<std::string, int> built;
  for (const KernelFacts& kernel : kernels) {
    if (++built[kernel.name] == 2) all.push_back(kernel.name + ": two kernels of this name; rename one");
    for (const auto& [arch, facts] : kernel.archs)
      if (facts.spill_bytes > 0 && of_table(arch))
        all.push_back(
            concat(kernel.name, ": sm_", arch, " spills ", facts.spill_bytes, " bytes of registers"));
    const auto found = table.find(kernel.name);
    if (found == table.end()) {
      all.push_back(kernel.name + ": not in the table; write it again");
      continue;
    }
    const KernelRow& row = found->second;
    add_launch_faults(kernel, row, all);
    if (!launch_known(row)) continue;
    for (const auto& [arch, facts] : kernel.archs) {
      if (!row.blocks.contains(arch)) continue;  // a card that the table is not about
      const int blocks = occupancy_of(row, arch, facts).blocks, wanted = row.blocks.at(arch);
      if (blocks == 0 || blocks < wanted)
        all.push_back(concat(kernel.name, ": sm_", arch, " runs ", blocks, " blocks on a multiprocessor (",
                             facts.registers, " registers), the table has ", wanted));
      if (facts.tensor_core == 0 && row.tensor_core.at(arch) > 0)
        all.push_back(concat(kernel.name, ": sm_", arch, " no longer uses tensor cores"));
    }
  }
  for (const auto& [name, row] : table)
    if (!built.contains(name))
      all.push_back(name + ": in the table, not in the build; write the table again");
  return all;
}

}  // namespace scca::test
