#include "core/bus_error.h"
#include "train/command.h"
#include "train/interrupt.h"
#include "train/standard_streams.h"

int main(int argc, char** argv) {
  scca::open_standard_streams();
  scca::take_signals();
  scca::name_files_on_bus_error();
  return scca::run_command_line(argc, argv);
}
