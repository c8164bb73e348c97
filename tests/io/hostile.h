// Damage to small files: a reader may refuse it or read it, but must not crash, hang or take all memory.
#pragma once
#include <functional>
#include <span>
#include <string>

#include "hadal/io/tensors.h"

#include "tests/support/support.h"

namespace hadal::test {

using Reader = std::function<void(std::span<const std::byte>)>;

/// 1 when `read` threw hadal::Error, 0 when it took the bytes. Anything else that it throws fails the test. The bytes
/// lie in memory of exactly their size, where a sanitizer sees every step beyond.
inline int refused(const Reader& read, const std::string& text) {
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(text.data()),
                                     reinterpret_cast<const std::byte*>(text.data()) + text.size());
  try {
    read(bytes);
    return 0;
  } catch (const Error&) {
    return 1;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not hadal::Error, but " << error.what();
    return 1;
  }
}

/// Every length, and every byte turned over in three ways.
inline void damage_everywhere(const Reader& read, const std::string& file, bool every_cut_is_an_error) {
  int cuts = 0;
  for (size_t length = 0; length < file.size(); ++length) cuts += refused(read, file.substr(0, length));
  if (every_cut_is_an_error) EXPECT_EQ(cuts, file.size());
  EXPECT_GT(cuts, 0);
  for (size_t i = 0; i < file.size(); ++i)
    for (const char mask : {'\x01', '\x80', '\xff'}) {
      auto changed = file;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      refused(read, changed);
    }
}

/// Equal names, types, shapes and bits (bytes compare, so that NaN equals itself).
inline void expect_same(const NamedTensors& got, const NamedTensors& expected, bool in_order = false) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, want] = expected.entries[i];
    if (in_order) EXPECT_EQ(got.entries[i].first, name);
    const auto& tensor = got.at(name);
    ASSERT_EQ(tensor.scalar_type(), want.scalar_type()) << name;
    ASSERT_EQ(tensor.sizes(), want.sizes()) << name;
    const auto a = tensor.contiguous(), b = want.contiguous();
    EXPECT_EQ(a.numel() ? std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) : 0, 0) << name;
  }
}

}  // namespace hadal::test
