#include "train/command.h"
#include "train/interrupt.h"
#include "train/standard_streams.h"

int main(int argc, char** argv) {
  scca::open_standard_streams();
  scca::take_signals();
  return scca::run_command_line(argc, argv);
}
