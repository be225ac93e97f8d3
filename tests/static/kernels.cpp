// Holds a build's kernels against the committed table, or writes it.
//   scca_static TABLE OBJECT...             prints what is wrong; exits with 1 when something is
//   scca_static --write TABLE OBJECT...     writes the table of this build, its launches from the file that
//                                           CUEMU_LIST_LAUNCHES names, where it does
//   scca_static --sass CUOBJDUMP OBJECT...  counts HMMA with NVIDIA's disassembler: must be what the opcodes
//   say
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <set>

#include "core/check.h"
#include "core/file.h"
#include "tests/static/kernel_table.h"
#include "tests/static/occupancy.h"

namespace scca::test {
namespace {

std::vector<KernelFacts> read_all(const std::vector<std::string>& objects) {
  std::vector<KernelFacts> all;
  for (const std::string& object : objects)
    for (KernelFacts& kernel : read_kernels(object)) all.push_back(std::move(kernel));
  return all;
}

int compare(const std::string& path, const std::vector<KernelFacts>& kernels) {
  const std::vector<std::string> wrong = faults(kernels, parse_table(read_text_file(path)));
  for (const std::string& line : wrong) std::cout << line << "\n";
  std::set<int> archs;
  for (const KernelFacts& kernel : kernels)
    for (const int arch : known_archs())
      if (kernel.archs.contains(arch)) archs.insert(arch);
  std::cout << kernels.size() << " kernels for";
  for (const int arch : archs) std::cout << " sm_" << arch;
  std::cout << ": " << (wrong.empty() ? "no spills, all as in " : "NOT as in ") << path << "\n";
  return wrong.empty() ? 0 : 1;
}

int write(const std::string& path, const std::vector<KernelFacts>& kernels) {
  for (const KernelFacts& kernel : kernels)
    for (const int arch : known_archs())
      SCCA_CHECK(kernel.archs.contains(arch), "static: ", kernel.name, " was not built for sm_", arch,
                 "; the table is written from a build with -DSCCA_CUDA_ARCHS='80;90;100' at least");
  const std::string old = read_text_file(path);
  std::map<std::string, KernelRow> known = parse_table(old);
  if (const char* list = std::getenv("CUEMU_LIST_LAUNCHES"))
    take_launches(read_text_file(list), known, kernels);
  write_file(path, format_table(old, kernels, known));
  return 0;
}

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  SCCA_CHECK(pipe, "static: cannot start ", command);
  std::string output(1 << 16, '\0'), all;
  for (size_t got; (got = fread(output.data(), 1, output.size(), pipe)) > 0;) all.append(output, 0, got);
  SCCA_CHECK(pclose(pipe) == 0, "static: ", command, " failed");
  return all;
}

int compare_sass(const std::string& cuobjdump, const std::vector<std::string>& objects) {
  int wrong = 0, held = 0;
  for (const std::string& object : objects) {
    auto sass = tensor_core_of_sass(output_of("'" + cuobjdump + "' -sass '" + object + "'"));
    for (const KernelFacts& kernel : read_kernels(object))
      for (const auto& [arch, facts] : kernel.archs) {
        const int theirs = sass[kernel.symbol].contains(arch) ? sass[kernel.symbol][arch] : -1;
        ++held;
        if (theirs == facts.tensor_core) continue;
        ++wrong;
        std::cout << kernel.name << ": sm_" << arch << ": cuobjdump counts " << theirs
                  << " HMMA, the opcodes say " << facts.tensor_core << "\n";
      }
  }
  std::cout << held << " counts of HMMA, " << wrong << " unlike cuobjdump's\n";
  return wrong == 0 ? 0 : 1;
}

int run(const std::vector<std::string>& arguments) {
  const bool flag = arguments.size() > 2 && arguments[0].starts_with("--");
  const size_t first = flag ? 2 : 1;  // object
  if (arguments.size() <= first || (flag && arguments[0] != "--write" && arguments[0] != "--sass")) {
    std::cerr << "usage: scca_static [--write] TABLE OBJECT... | --sass CUOBJDUMP OBJECT...\n";
    return 2;
  }
  const std::vector<std::string> objects(arguments.begin() + static_cast<long>(first), arguments.end());
  if (!flag) return compare(arguments[0], read_all(objects));
  return arguments[0] == "--write" ? write(arguments[1], read_all(objects))
                                   : compare_sass(arguments[1], objects);
}

}  // namespace
}  // namespace scca::test

int main(int argc, char** argv) {
  try {
    return scca::test::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
