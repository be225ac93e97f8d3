#pragma once
// Only the primitives: cuda::pipeline needs <cuda/std>, which kernels here do without.
#include "cuda_pipeline_primitives.h"
