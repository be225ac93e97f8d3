// mma.sync and ldmatrix over the registers of a warp's lanes; the layouts are those in core/ptx.cuh.
#include <bit>
#include <cstring>

#include "cuemu/ptx.h"
#include "internal.h"

namespace cuemu {
namespace {

float low(uint32_t pair) { return std::bit_cast<float>(pair << 16); }
float high(uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); }

constexpr uint32_t kWarp = 0xffffffffu;

struct Product {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

void multiply(void* const* lanes, uint32_t) {
  float a[16][16], b[16][8];  // b is stored row by row: b[k][column]
  const auto of = [&](int lane) -> const Product& { return *static_cast<Product*>(lanes[lane]); };
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const int row = g + i % 2 * 8, column = 2 * t + i / 2 * 8;
      a[row][column] = low(of(lane).a[i]);
      a[row][column + 1] = high(of(lane).a[i]);
    }
    for (int i = 0; i < 2; ++i) {
      b[2 * t + i * 8][g] = low(of(lane).b[i]);
      b[2 * t + i * 8 + 1][g] = high(of(lane).b[i]);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = of(lane).d[i];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      of(lane).d[i] = sum;
    }
  }
}

struct MatrixLoad {
  uint32_t* registers;
  const void* row;
  int matrices;
  bool transposed;
  Site site;
};

void load(void* const* lanes, uint32_t) {
  uint16_t element[4][8][8];
  const auto of = [&](int lane) -> const MatrixLoad& { return *static_cast<MatrixLoad*>(lanes[lane]); };
  const int matrices = of(0).matrices;
  for (int lane = 0; lane < 8 * matrices; ++lane) std::memcpy(element[lane / 8][lane % 8], of(lane).row, 16);
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int m = 0; m < matrices; ++m) {
      const uint32_t first = of(0).transposed ? element[m][2 * t][g] : element[m][g][2 * t];
      const uint32_t second = of(0).transposed ? element[m][2 * t + 1][g] : element[m][g][2 * t + 1];
      of(lane).registers[m] = first | second << 16;
    }
  }
}

}  // namespace

void allow_bank_conflicts(int ways) { check::allow_bank_conflicts(ways); }

void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Product mine{d, a, b};
  collective("mma.sync", kWarp, &mine, multiply, CUEMU_HERE);
}

void ldmatrix(uint32_t* registers, int matrices, const void* row, bool transposed) {
  MatrixLoad mine{registers, row, matrices, transposed, CUEMU_HERE};
  if (arena.contains(row) || reinterpret_cast<uintptr_t>(row) % 16)
    fault(*running, "ldmatrix: a row must be 16-byte aligned shared memory", describe(mine.site));
  if (running->id % 32 < 8 * matrices) check::access(row, 16, Access::read, __builtin_return_address(0));
  const char* name = transposed ? "ldmatrix.trans" : "ldmatrix";
  collective(name, kWarp, &mine, load, mine.site);
}

}  // namespace cuemu
