#include "hadal/io/safetensors.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"

namespace hadal {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMostHeader = 100'000'000;  // the reference implementation's limit
constexpr size_t kMostDimensions = 64;

struct DtypeName {
  const char* name;
  at::ScalarType type;
};
constexpr DtypeName kDtypes[] = {
    {"F64", at::kDouble},          {"F32", at::kFloat},        {"F16", at::kHalf},
    {"BF16", at::kBFloat16},       {"I64", at::kLong},         {"I32", at::kInt},
    {"I16", at::kShort},           {"I8", at::kChar},          {"U64", at::kUInt64},
    {"U32", at::kUInt32},          {"U16", at::kUInt16},       {"U8", at::kByte},
    {"BOOL", at::kBool},           {"C64", at::kComplexFloat}, {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E5M2", at::kFloat8_e5m2},
};

struct Entry {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets;
  bool has_shape = false;
};

/// Takes the header as it is read: keeps its order, sees names given twice, and holds no more than a header may say.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(size_t) override {
    if (depth_ == 2 || in_list_) refuse("an object where none belongs");
    if (++depth_ == 2 && !in_metadata()) entries.push_back({.name = name_, .dtype = {}, .shape = {}, .offsets = {}});
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(std::string& text) override {
    auto& place = depth_ == 1 ? name_ : field_;
    place = text;
    if (depth_ == 1 && !names_.insert(text).second) refuse("the name is given twice");
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_list_ || in_metadata() || (field_ != "shape" && field_ != "data_offsets"))
      refuse("a list where none belongs");
    auto& entry = entries.back();
    if (field_ == "shape" ? std::exchange(entry.has_shape, true) : !entry.offsets.empty())
      refuse(field_ + " is given twice");
    in_list_ = true;
    return true;
  }
  bool end_array() override {
    in_list_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_list_) refuse("a number where none belongs");
    auto& entry = entries.back();
    if (field_ == "shape") {
      if (value > INT64_MAX || entry.shape.size() == kMostDimensions) refuse("the shape is too large");
      entry.shape.push_back(static_cast<int64_t>(value));
    } else {
      if (entry.offsets.size() == 2) refuse("data_offsets must be two numbers");
      entry.offsets.push_back(value);
    }
    return true;
  }
  bool string(std::string& text) override {
    if (depth_ != 2 || in_list_) refuse("text where none belongs");
    if (in_metadata())
      metadata[field_] = text;
    else if (field_ == "dtype" && entries.back().dtype.empty())
      entries.back().dtype = text;
    else
      refuse("unknown field " + quoted(field_));
    return true;
  }
  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const std::string&) override { refuse("a fraction"); }
  bool null() override { refuse("null where none belongs"); }
  bool boolean(bool) override { refuse("true or false where none belongs"); }
  bool binary(Json::binary_t&) override { refuse("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail("not JSON at character {}", position);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    if (name_.empty()) fail("{}", what);
    fail("{}: {}", quoted(name_), what);
  }
  bool in_metadata() const { return name_ == "__metadata__"; }
  int depth_ = 0;
  bool in_list_ = false;
  std::string name_, field_;
  std::unordered_set<std::string> names_;
};

std::optional<at::ScalarType> dtype_of(std::string_view name) {
  for (const auto& known : kDtypes)
    if (known.name == name) return known.type;
  return std::nullopt;
}

std::string dtype_names() {
  std::vector<std::string> names;
  for (const auto& known : kDtypes) names.push_back(known.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

at::ScalarType check_entry(const Entry& entry, uint64_t data_size) {
  const auto where = quoted(entry.name);
  const auto dtype = dtype_of(entry.dtype);
  if (!dtype) fail("{}: type {} is not one of {}", where, quoted(entry.dtype), dtype_names());
  if (!entry.has_shape || entry.offsets.size() != 2) fail("{}: shape or data_offsets is missing", where);
  std::optional<uint64_t> spread =
      c10::elementSize(*dtype);  // with zeros taken as one: LibTorch's strides must fit too
  for (const auto size : entry.shape)
    if (spread && size > 0) spread = checked_product(*spread, static_cast<uint64_t>(size));
  if (!spread || *spread > INT64_MAX) fail("{}: the shape [{}] is too large", where, fmt::join(entry.shape, ", "));
  const bool empty = std::find(entry.shape.begin(), entry.shape.end(), 0) != entry.shape.end();
  const auto bytes = empty ? 0 : *spread, begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data_size)
    fail("{}: bytes {} to {} are not inside the {} bytes of data: the file is cut short or corrupt", where, begin, end,
         data_size);
  if (end - begin != bytes)
    fail("{}: shape [{}] of {} takes {} bytes, the file gives it {}", where, fmt::join(entry.shape, ", "), entry.dtype,
         bytes, end - begin);
  return *dtype;
}

/// Tensors must cover the data exactly: no overlap, no hole, nothing after the last.
void check_cover(const std::vector<Entry>& entries, uint64_t data_size) {
  std::vector<const Entry*> sorted;
  for (const auto& entry : entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->offsets < b->offsets; });
  uint64_t end = 0;
  for (const auto* entry : sorted) {
    if (entry->offsets[0] != end)
      fail("{}: starts at byte {} of the data, expected {}: tensors {}", quoted(entry->name), entry->offsets[0], end,
           entry->offsets[0] < end ? "overlap" : "leave a hole");
    end = entry->offsets[1];
  }
  if (end != data_size) fail("{} bytes after the last tensor", data_size - end);
}

NamedTensors parse(const ByteSource& source) {
  Cursor cursor(source.bytes, source.name);
  if (source.bytes.size() < 8) fail("{} bytes are too few for a safetensors file", source.bytes.size());
  const auto header_size = cursor.read<uint64_t>();
  if (header_size > cursor.left() || header_size > kMostHeader)
    fail("the header claims {} bytes, {} are left: cut short, or no safetensors file", header_size, cursor.left());
  const auto header = cursor.take_text(header_size);
  HeaderReader reader;
  if (!header.starts_with('{')) fail("the header does not start with '{{': no safetensors file");
  Json::sax_parse(header.begin(), header.end(), &reader);
  const auto data = cursor.take(cursor.left());

  NamedTensors out;
  out.metadata = std::move(reader.metadata);
  for (const auto& entry : reader.entries) {
    const auto dtype = check_entry(entry, data.size());
    const auto bytes = data.subspan(entry.offsets[0], entry.offsets[1] - entry.offsets[0]);
    auto tensor = torch::empty({0}, dtype);
    out.add(entry.name, tensor.set_(storage_of(bytes, source.owner), 0, entry.shape));
  }
  check_cover(reader.entries, data.size());
  return out;
}

}  // namespace

NamedTensors parse_safetensors(const ByteSource& source) try { return parse(source); } catch (const FileError&) {
  throw;
} catch (const Error& error) {
  throw FileError(source.name, error.what());
}

NamedTensors read_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_safetensors({file.bytes(), file.name(), file.keep_alive()});
}

namespace {

struct Plan {
  std::string header;
  std::vector<const std::pair<std::string, Tensor>*> order;  // of the data: wide elements first
};

std::string dtype_name(const std::string& path, const std::string& name, at::ScalarType type) {
  for (const auto& known : kDtypes)
    if (known.type == type) return known.name;
  throw FileError(path, fmt::format("cannot write {}: safetensors has no type for {}; it has {}", quoted(name),
                                    c10::toString(type), dtype_names()));
}

std::string json_text(const std::string& path, const std::string& text) try {
  return Json(text).dump();
} catch (const Json::exception&) {
  throw FileError(path, fmt::format("cannot write {}: not UTF-8", quoted(text)));
}

Plan plan_file(const std::string& path, const NamedTensors& tensors) {
  Plan plan;
  std::set<std::string_view> names{"__metadata__"};
  for (const auto& entry : tensors.entries) {
    if (!names.insert(entry.first).second)
      throw FileError(path, fmt::format("cannot write {}: the name is taken", quoted(entry.first)));
    if (!entry.second.defined()) throw FileError(path, fmt::format("cannot write {}: undefined", quoted(entry.first)));
    plan.order.push_back(&entry);
  }
  std::stable_sort(plan.order.begin(), plan.order.end(),
                   [](const auto* a, const auto* b) { return a->second.element_size() > b->second.element_size(); });
  std::map<const void*, uint64_t> begins;
  uint64_t end = 0;
  for (const auto* entry : plan.order) {
    begins[entry] = end;
    end += static_cast<uint64_t>(entry->second.numel()) * entry->second.element_size();
  }
  std::vector<std::string> items;
  if (!tensors.metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : tensors.metadata)
      pairs.push_back(json_text(path, key) + ":" + json_text(path, value));
    items.push_back(fmt::format("\"__metadata__\":{{{}}}", fmt::join(pairs, ",")));
  }
  for (const auto& entry : tensors.entries) {
    const auto& [name, tensor] = entry;
    const auto begin = begins[&entry];
    items.push_back(fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", json_text(path, name),
                                dtype_name(path, name, tensor.scalar_type()), fmt::join(tensor.sizes(), ","), begin,
                                begin + static_cast<uint64_t>(tensor.numel()) * tensor.element_size()));
  }
  plan.header = fmt::format("{{{}}}", fmt::join(items, ","));
  plan.header.resize((plan.header.size() + 7) / 8 * 8, ' ');
  return plan;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors) {
  const auto plan = plan_file(path.string(), tensors);
  if (plan.header.size() > kMostHeader) throw FileError(path.string(), "cannot write: the names take over 100 MB");
  AtomicFile file(path);
  const uint64_t size = plan.header.size();
  file.write({reinterpret_cast<const char*>(&size), sizeof size});
  file.write(plan.header);
  for (const auto* entry : plan.order) file.write(memory_of(plain_copy(entry->second, entry->first, path.string())));
  file.commit();
}

}  // namespace hadal
