#pragma once

#include <string>

namespace scanmf {

/// "AVX3_ZEN4 (of AVX3_ZEN4, AVX3, AVX2, SSE4, SSE2)": the one that the kernels take on this processor, and those that
/// they are compiled for.
std::string instruction_sets();

}  // namespace scanmf
