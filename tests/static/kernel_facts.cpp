#include "tests/static/kernel_facts.h"

#include <cxxabi.h>
#include <elf.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <regex>
#include <sstream>
#include <string_view>

#include "core/check.h"
#include "core/file.h"

namespace scca::test {
namespace {

using BySymbol = std::map<std::string, std::map<int, ArchFacts>>;

/// ptxas -v, which names the kernel and the architecture first and then says, in lines of their own, what it
/// needs:
///   ptxas info    : Compiling entry function '_Z1kPf' for 'sm_80'
///   ptxas info    : Function properties for _Z1kPf
///       0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
///   ptxas info    : Used 23 registers, used 1 barriers, 400 bytes smem, 376 bytes cmem[0]
BySymbol read_ptxas(const std::string& report) {
  static const std::regex entry("Compiling entry function '([^']+)' for 'sm_([0-9]+)[a-z]?'"),
      frame("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads"),
      registers("Used ([0-9]+) registers"), barriers("used ([0-9]+) barriers"), shared("([0-9]+) bytes smem");
  BySymbol kernels;
  ArchFacts* current = nullptr;
  std::istringstream lines(report);
  std::smatch match;
  const auto number = [&](int group) { return std::stoi(match[group]); };
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, entry)) current = &kernels[match[1]][number(2)];
    if (!current) continue;
    if (std::regex_search(line, match, frame)) {
      current->stack_bytes = number(1);
      current->spill_bytes = number(2) + number(3);
    }
    if (!std::regex_search(line, match, registers)) continue;
    current->registers = number(1);
    if (std::regex_search(line, match, barriers)) current->barriers = number(1);
    if (std::regex_search(line, match, shared)) current->static_shared = number(1);
    current = nullptr;  // what follows may be of a function that is no kernel
  }
  return kernels;
}

/// The structure that stands at an offset of a file's bytes, wherever that is aligned.
template <class T>
T at(std::string_view bytes, size_t offset) {
  SCCA_CHECK(offset + sizeof(T) <= bytes.size(),
             "static: a cubin ends early; is the object whole? Build it again");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

constexpr std::string_view kElf{ELFMAG, SELFMAG};
constexpr int kMachineCuda = 190;

/// Instructions are 16 bytes, and the low 12 bits of the first 8 say which: 0x23c is HMMA, the tensor core's
/// product of 16-bit floats. NVIDIA documents no encoding: cuobjdump's count, where there is a cuobjdump,
/// must be the same.
int count_tensor_core(std::string_view code) {
  constexpr size_t instruction = 16;
  int count = 0;
  for (size_t i = 0; i + instruction <= code.size(); i += instruction)
    count += (at<uint64_t>(code, i) & 0xfff) == 0x23c;
  return count;
}

/// A cubin is an ELF file whose section .text.SYMBOL is a kernel's code.
void read_cubin(std::string_view cubin, BySymbol& kernels) {
  const auto header = at<Elf64_Ehdr>(cubin, 0);
  // From ABI version 8 on (CUDA 13) the architecture has moved up a byte.
  const int arch = static_cast<int>(header.e_flags >> (header.e_ident[EI_ABIVERSION] >= 8 ? 8 : 0) & 0xff);
  const auto section = [&](size_t i) {
    return at<Elf64_Shdr>(cubin, header.e_shoff + i * sizeof(Elf64_Shdr));
  };
  const size_t names = section(header.e_shstrndx).sh_offset;
  constexpr std::string_view text = ".text.";
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr here = section(i);
    SCCA_CHECK(names + here.sh_name < cubin.size(),
               "static: a cubin ends early; is the object whole? Build it again");
    const std::string name(cubin.data() + names + here.sh_name);
    const auto kernel = name.starts_with(text) ? kernels.find(name.substr(text.size())) : kernels.end();
    if (kernel == kernels.end()) continue;
    kernel->second[arch].tensor_core = count_tensor_core(cubin.substr(here.sh_offset, here.sh_size));
  }
}

/// All cubins of an object: ELF files within an ELF file.
int read_cubins(std::string_view object, BySymbol& kernels) {
  int found = 0;
  for (size_t i = object.find(kElf, 1); i != std::string_view::npos; i = object.find(kElf, i + 1)) {
    if (i + sizeof(Elf64_Ehdr) > object.size() || at<Elf64_Ehdr>(object, i).e_machine != kMachineCuda)
      continue;
    read_cubin(object.substr(i), kernels);
    ++found;
  }
  return found;
}

/// A kernel's PTX, from its name to the next kernel's. The longest such piece: the line tables hold a copy,
/// cut up by zeros.
std::string_view ptx_of(std::string_view object, const std::string& symbol) {
  std::string_view longest;
  const std::string entry = ".entry " + symbol + "(";
  for (size_t i = object.find(entry); i != std::string_view::npos; i = object.find(entry, i + 1)) {
    const size_t end = std::min({object.find(".entry ", i + 1), object.find('\0', i), object.size()});
    if (end - i > longest.size()) longest = object.substr(i, end - i);
  }
  SCCA_CHECK(!longest.empty(), "static: no PTX of ", symbol, "; build with --no-compress");
  return longest;
}

int launch_bound(std::string_view ptx) {
  const size_t found = ptx.find(".maxntid ");
  if (found == std::string_view::npos) return 0;
  int threads = 1;
  std::istringstream sizes(std::string(ptx.substr(found + 9, 40)));
  char comma = ',';
  for (int size; comma == ',' && sizes >> size; sizes >> comma) threads *= size;
  return threads;
}

/// "ops/x.cu" of ".../scca_ops_kernels.dir/ops/x.cu.o".
std::string source_of(const std::string& object) {
  const size_t folder = object.rfind(".dir/"), end = object.rfind(".o");
  SCCA_CHECK(folder != std::string::npos && end != std::string::npos && end > folder, "static: ", object,
             " is no object of this build");
  return std::filesystem::path(object.substr(folder + 5, end - folder - 5)).lexically_normal().string();
}

}  // namespace

std::string short_name(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
  return shortened(status == 0 ? demangled.get() : symbol);
}

std::string shortened(std::string name) {
  static const std::regex qualifiers("scca::|cuda::|ladder::|\\(anonymous namespace\\)::|^void "),
      bf16("__nv_bfloat16"), apart("> >");
  name = std::regex_replace(std::regex_replace(name, qualifiers, ""), bf16, "bf16");
  while (name.find("> >") != std::string::npos) name = std::regex_replace(name, apart, ">>");
  int depth = 0;  // of <...>: the parameters begin at the first ( outside
  for (size_t i = 0; i < name.size(); ++i) {
    depth += (name[i] == '<') - (name[i] == '>');
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

std::vector<KernelFacts> read_kernels(const std::string& object) {
  const std::string report = object + ".ptxas";
  BySymbol kernels = read_ptxas(read_text_file(report));
  const std::string bytes = read_text_file(object);
  const int cubins = read_cubins(bytes, kernels);
  SCCA_CHECK(cubins > 0, "static: no cubin in ", object, "; build with --no-compress");
  std::vector<KernelFacts> all;
  for (const auto& [symbol, archs] : kernels) {
    const std::string_view ptx = ptx_of(bytes, symbol);
    all.push_back({source_of(object) + " " + short_name(symbol), symbol, launch_bound(ptx),
                   ptx.find("dyn_smem") != std::string_view::npos, archs});
    for (const auto& [arch, facts] : archs)
      SCCA_CHECK(facts.registers > 0, "static: ", report, " says nothing of ", symbol, " for sm_", arch,
                 ", which is in the object; delete the object and build again");
  }
  return all;
}

std::map<std::string, std::map<int, int>> tensor_core_of_sass(const std::string& sass) {
  static const std::regex arch_line("arch = sm_([0-9]+)"), function_line("Function : (\\S+)");
  std::map<std::string, std::map<int, int>> counts;
  std::istringstream lines(sass);
  std::smatch match;
  int arch = 0;
  int* count = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, arch_line)) arch = std::stoi(match[1]);
    if (std::regex_search(line, match, function_line)) count = &counts[match[1]][arch];
    if (count && line.find(" HMMA.") != std::string::npos) ++*count;
  }
  return counts;
}

}  // namespace scca::test
