#include "core/bus_error.h"
#include "train/cli/command.h"
#include "train/cli/start_again.h"
#include "train/cli/standard_streams.h"
#include "train/run/interrupt.h"

int main(int argc, char** argv) {
  scca::start_again(argv);
  scca::open_standard_streams();
  scca::take_signals();
  scca::name_files_on_bus_error();
  return scca::run_command_line(argc, argv);
}
