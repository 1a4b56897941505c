#include "scanmf/parallel/environment.hpp"

int main(int argc, char** argv) {
  const scanmf::MpiEnvironment mpi(argc, argv);
  return 0;
}
