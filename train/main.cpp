// The command line of scca.
#include <iostream>

int main() {
  std::cerr << "scca " SCCA_VERSION "\n";
  return 2;
}
