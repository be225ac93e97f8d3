#include "train/command.h"

int main(int argc, char** argv) { return scca::run_command_line(argc, argv); }
