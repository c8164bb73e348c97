// A fuzzer is one file, fuzz_NAME.cpp: it calls a reader on bytes; hadal::Error is a fair answer, all else a finding.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "hadal/core/error.h"

namespace hadal::fuzz {

inline std::span<const std::byte> bytes(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

}  // namespace hadal::fuzz

/// FUZZ(input, code): runs `code` on `input`, a span of bytes.
#define FUZZ(input, code)                                          \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t);   \
  int LLVMFuzzerTestOneInput(const uint8_t* data_, size_t size_) { \
    const auto input = hadal::fuzz::bytes(data_, size_);           \
    try {                                                          \
      code;                                                        \
    } catch (const hadal::Error&) {                                \
    }                                                              \
    return 0;                                                      \
  }
