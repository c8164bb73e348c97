#include "hadal/io/safetensors.h"

#include "hadal/io/file.h"

#include "tests/io/hostile.h"

using namespace hadal;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

NamedTensors read(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  auto out = read_safetensors(bytes, "x.safetensors");
  for (auto& [name, tensor] : out.entries) tensor = tensor.clone();
  return out;
}

std::string entry(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace

TEST(Safetensors, ReadsEveryTypeThatPythonWrites) {
  const auto tensors = read_safetensors(test::golden("io/dtypes.safetensors"));
  EXPECT_EQ(tensors.size(), 18);
  EXPECT_EQ(tensors.metadata.at("made by"), "Python");
  EXPECT_EQ(tensors.metadata.at("epoch"), "3");
  const std::map<std::string, torch::ScalarType> expected = {{"float64", torch::kFloat64},
                                                             {"float32", torch::kFloat32},
                                                             {"float16", torch::kFloat16},
                                                             {"bfloat16", torch::kBFloat16},
                                                             {"int64", torch::kInt64},
                                                             {"int32", torch::kInt32},
                                                             {"int16", torch::kInt16},
                                                             {"int8", torch::kInt8},
                                                             {"uint8", torch::kUInt8},
                                                             {"uint16", torch::kUInt16},
                                                             {"uint32", torch::kUInt32},
                                                             {"uint64", torch::kUInt64},
                                                             {"complex64", torch::kComplexFloat},
                                                             {"bool", torch::kBool},
                                                             {"float8_e4m3fn", torch::kFloat8_e4m3fn},
                                                             {"float8_e5m2", torch::kFloat8_e5m2}};
  for (const auto& [name, type] : expected) EXPECT_EQ(tensors.at(name).scalar_type(), type) << name;
  for (const auto* name : {"int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"})
    EXPECT_TRUE(tensors.at(name).to(torch::kInt64).equal(torch::tensor({0, 1, 2, 100, 5}, torch::kInt64))) << name;
  EXPECT_TRUE(tensors.at("bool").equal(torch::tensor({true, false, true})));
  EXPECT_EQ(tensors.at("scalar").item<float>(), 2.5F);
  EXPECT_EQ(tensors.at("empty").sizes(), at::IntArrayRef({0, 4}));
}

TEST(Safetensors, WritesWhatItReadsInOrder) {
  test::TemporaryFolder folder;
  const auto tensors = read_safetensors(test::golden("io/dtypes.safetensors"));
  write_safetensors(folder / "a.safetensors", tensors);
  const auto again = read_safetensors(folder / "a.safetensors");
  test::expect_same(again, tensors, true);
  EXPECT_EQ(again.metadata, tensors.metadata);
  const auto text = read_file(folder / "a.safetensors");
  uint64_t length;
  std::memcpy(&length, text.data(), 8);
  EXPECT_EQ(length % 8, 0);
}

TEST(Safetensors, TakesAnyStridesAndKeepsTheMapping) {
  test::TemporaryFolder folder;
  const auto base = torch::arange(12, torch::kFloat32).view({3, 4});
  NamedTensors tensors;
  tensors.add("odd", torch::tensor({true}));
  tensors.add("t", base.t());
  tensors.add("e", torch::ones({1}).expand({3}));
  tensors.add("c", torch::complex(torch::ones(2), torch::ones(2)).conj());
  write_safetensors(folder / "a", tensors);
  auto read_back = read_safetensors(folder / "a");
  std::filesystem::remove(folder / "a");
  auto t = read_back.at("t");
  const auto c = read_back.at("c");
  read_back.entries.clear();
  EXPECT_TRUE(t.equal(base.t()));
  EXPECT_EQ(torch::imag(c)[0].item<float>(), -1);
  t.mul_(2);  // a private copy of the page, not a crash
  EXPECT_TRUE(t.equal(base.t() * 2));
}

TEST(Safetensors, ChangesInPlaceDoNotReachTheFile) {
  test::TemporaryFolder folder;
  NamedTensors tensors;
  tensors.add("a", torch::ones(4));
  write_safetensors(folder / "a", tensors);
  read_safetensors(folder / "a").at("a").zero_();
  EXPECT_TRUE(read_safetensors(folder / "a").at("a").equal(torch::ones(4)));
}

TEST(Safetensors, RefusesWhatCannotBeWritten) {
  test::TemporaryFolder folder;
  NamedTensors twice, sparse, wide;
  twice.add("a", torch::ones(1)), twice.add("a", torch::ones(1));
  sparse.add("a", torch::eye(2).to_sparse());
  wide.add("a", torch::ones(1, torch::kComplexDouble));
  EXPECT_ERROR(write_safetensors(folder / "a", twice), "two tensors cannot both be called \"a\"");
  EXPECT_ERROR(write_safetensors(folder / "a", sparse), "not strided");
  EXPECT_ERROR(write_safetensors(folder / "a", wide), "ComplexDouble");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
}

TEST(Safetensors, ReadsTensorsThatLieUnaligned) {
  const auto tensors = read(file_of("{\"a\":" + entry("[1]", "[0,1]", "U8") + ",\"b\":" + entry("[1]", "[1,5]") + "}",
                                    std::string("\x07\x00\x00\x80\x3f", 5)));
  EXPECT_EQ(tensors.at("b").item<float>(), 1);
}

TEST(Safetensors, RefusesHostileHeaders) {
  const auto one = [](const std::string& text, size_t bytes = 4) {
    return read(file_of("{\"a\":" + text + "}", std::string(bytes, 0)));
  };
  EXPECT_EQ(one(entry("[1]", "[0,4]")).size(), 1);
  EXPECT_ERROR(read("abc"), "too short");
  EXPECT_ERROR(read(std::string(8, '\xff') + "{}"), "a header of 18446744073709551615 bytes");
  EXPECT_ERROR(read(file_of("[]", "")), "must be a table");
  EXPECT_ERROR(read(file_of("{\"a\":", "")), "not JSON");
  EXPECT_ERROR(read(file_of("{\"a\":1}", "")), "does not belong");
  EXPECT_ERROR(read(file_of("{\"a\":{\"dtype\":{}}}", "")), "does not belong");
  EXPECT_ERROR(one(entry("[1]", "[0,4]", "F99")), "type \"F99\" is not one that is read");
  EXPECT_ERROR(one(R"({"dtype":"F32"})"), "must have dtype, shape and data_offsets");
  EXPECT_ERROR(one(entry("[1]", "[0,8]")), "outside of the file's 4 bytes");
  EXPECT_ERROR(one(entry("[1]", "[4,0]")), "outside");
  EXPECT_ERROR(one(entry("[2]", "[0,4]")), "does not fit the 4 bytes");
  EXPECT_ERROR(one(entry("[-1]", "[0,4]")), "a negative number");
  EXPECT_ERROR(one(entry("[4294967296,4294967296]", "[0,4]")), "overflows");
  EXPECT_ERROR(one(entry("[0,4294967296,4294967296]", "[0,0]"), 0), "overflows");
  EXPECT_ERROR(one(entry("[18446744073709551615]", "[0,4]")), "overflows");
  EXPECT_ERROR(one(entry("[1]", "[0,4]"), 6), "cut off or damaged");
  EXPECT_ERROR(one(entry("[1]", "[2,6]"), 6), "leave a hole");
  const auto a = entry("[1]", "[0,4]");
  EXPECT_ERROR(read(file_of("{\"a\":" + a + ",\"a\":" + a + "}", "1234")), "\"a\" comes twice");
  EXPECT_ERROR(read(file_of("{\"a\":" + a + ",\"b\":" + a + "}", "1234")), "overlap");
  EXPECT_ERROR(read(file_of(std::string(100000, '['), "")), "must be a table");
}

TEST(Safetensors, DamageNeverCrashes) {
  const auto file = read_file(test::golden("io/views.safetensors"));
  test::damage_everywhere([](auto bytes) { read_safetensors(bytes, "damaged"); }, file, true);
}
