// selftest --list: a line per program, "name|variants|expected"; selftest NAME: runs it.
#include <cstring>

#include "programs.h"

int main(int argc, char** argv) {
  const bool list = argc == 2 && std::strcmp(argv[1], "--list") == 0;
  for (const auto* programs :
       {&good_programs, &memory_programs, &race_programs, &waiting_programs, &bank_programs}) {
    for (const Program& program : *programs) {
      if (list) std::printf("%s|%s|%s\n", program.name, program.variants, program.expected);
      if (argc == 2 && std::strcmp(argv[1], program.name) == 0) {
        program.run();
        std::printf("ok\n");
        return 0;
      }
    }
  }
  return list ? 0 : 2;
}
