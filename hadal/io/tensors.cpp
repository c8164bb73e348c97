#include "hadal/io/tensors.h"

#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

const Tensor* NamedTensors::find(std::string_view name) const {
  for (const auto& [key, tensor] : entries)
    if (key == name) return &tensor;
  return nullptr;
}

const Tensor& NamedTensors::at(std::string_view name) const {
  if (const auto* tensor = find(name)) return *tensor;
  fail("{}: no tensor \"{}\"{}", source.empty() ? "tensors" : source, name, suggest(name, names()));
}

std::vector<std::string> NamedTensors::names() const {
  std::vector<std::string> out;
  out.reserve(entries.size());
  for (const auto& [name, tensor] : entries) out.push_back(name);
  return out;
}

const std::vector<DtypeNames>& all_dtype_names() {
  static const std::vector<DtypeNames> table = {
      {torch::kFloat64, "float64", "F64", "DoubleStorage"},
      {torch::kFloat32, "float32", "F32", "FloatStorage"},
      {torch::kFloat16, "float16", "F16", "HalfStorage"},
      {torch::kBFloat16, "bfloat16", "BF16", "BFloat16Storage"},
      {torch::kInt64, "int64", "I64", "LongStorage"},
      {torch::kInt32, "int32", "I32", "IntStorage"},
      {torch::kInt16, "int16", "I16", "ShortStorage"},
      {torch::kInt8, "int8", "I8", "CharStorage"},
      {torch::kUInt8, "uint8", "U8", "ByteStorage"},
      {torch::kBool, "bool", "BOOL", "BoolStorage"},
      {torch::kComplexFloat, "complex64", "C64", "ComplexFloatStorage"},
      {torch::kComplexDouble, "complex128", "", "ComplexDoubleStorage"},
      {torch::kUInt16, "uint16", "U16", ""},
      {torch::kUInt32, "uint32", "U32", ""},
      {torch::kUInt64, "uint64", "U64", ""},
      {torch::kFloat8_e4m3fn, "float8_e4m3fn", "F8_E4M3", ""},
      {torch::kFloat8_e5m2, "float8_e5m2", "F8_E5M2", ""},
      {torch::kFloat8_e4m3fnuz, "float8_e4m3fnuz", "F8_E4M3FNUZ", ""},
      {torch::kFloat8_e5m2fnuz, "float8_e5m2fnuz", "F8_E5M2FNUZ", ""},
  };
  return table;
}

const DtypeNames* dtype_names(torch::ScalarType dtype) {
  for (const auto& names : all_dtype_names())
    if (names.dtype == dtype) return &names;
  return nullptr;
}

std::string shape_text(at::IntArrayRef shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

bool checked_numel(at::IntArrayRef shape, int64_t& numel) {
  numel = 1;
  bool empty = false;
  for (const auto side : shape) {
    if (side < 0) return false;
    if (side == 0) empty = true;
  }
  // The sides beside a zero still have to multiply without overflow: LibTorch derives strides from them.
  for (const auto side : shape)
    if (side > 0 && __builtin_mul_overflow(numel, side, &numel)) return false;
  if (empty) numel = 0;
  return true;
}

}  // namespace hadal
