#include "hadal/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <set>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "hadal/io/bytes.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr size_t kMostDims = 64;

struct Item {
  std::string name, dtype;
  std::vector<uint64_t> shape, offsets;
  std::set<std::string> seen;  // which of dtype, shape and data_offsets came
};

/// Takes the header's JSON as it is parsed and refuses at once what a header may not hold, so that no hostile header
/// becomes a large tree. The base class only names the callbacks.
class TensorHeader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Item> items;
  std::map<std::string, std::string> metadata;
  std::string mistake;

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a truth value"); }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return refuse("a fraction"); }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!list_) return refuse("a number");
    if (list_->size() == kMostDims) return stop(fmt::format("more than {} numbers in {}", kMostDims, shown(key_)));
    list_->push_back(value);
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata_) return metadata.emplace(key_, text).second || stop(twice(key_));
    if (depth_ != 2 || list_ || key_ != "dtype") return refuse("a text");
    items.back().dtype = text;
    return true;
  }
  bool start_object(size_t) override {
    if (list_ || depth_ > 1 || (depth_ == 1 && key_.empty() && !has_key_)) return refuse("a table");
    if (++depth_ == 2 && !in_metadata_) items.push_back({.name = key_});
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2 && !in_metadata_ && items.back().seen.size() != 3)
      return stop(fmt::format("{} must have dtype, shape and data_offsets", shown(items.back().name)));
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || list_ || (key_ != "shape" && key_ != "data_offsets")) return refuse("a list");
    list_ = key_ == "shape" ? &items.back().shape : &items.back().offsets;
    return true;
  }
  bool end_array() override { return list_ = nullptr, true; }
  bool key(string_t& text) override {
    key_ = text, has_key_ = true;
    if (depth_ == 1) {
      in_metadata_ = text == "__metadata__";
      return names_.insert(text).second || stop(twice(text));
    }
    if (in_metadata_) return true;
    if (text != "dtype" && text != "shape" && text != "data_offsets")
      return stop(fmt::format("unknown key {} in {}", shown(text), shown(items.back().name)));
    return items.back().seen.insert(text).second || stop(twice(text));
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return stop(fmt::format("not JSON at byte {} of the header", position));
  }

 private:
  static std::string twice(const std::string& name) { return fmt::format("{} comes twice", shown(name)); }
  bool stop(std::string text) { return mistake = std::move(text), false; }
  bool refuse(const char* what) {
    if (depth_ == 0) return stop(fmt::format("the header must be a table, not {}", what));
    return stop(fmt::format("{} does not belong in {}", what, shown(key_)));
  }

  int depth_ = 0;
  bool in_metadata_ = false, has_key_ = false;
  std::string key_;
  std::set<std::string> names_;
  std::vector<uint64_t>* list_ = nullptr;
};

const DtypeNames* dtype_of(std::string_view name) {
  for (const auto& names : all_dtype_names())
    if (!names.safetensors.empty() && names.safetensors == name) return &names;
  return nullptr;
}

/// The tensor of one header entry over `data`, everything checked but overlaps.
Tensor place(const Item& item, std::span<const std::byte> data, const std::string& file,
             const std::shared_ptr<const void>& keep_alive) {
  const auto bad = [&](const std::string& what) {
    throw FileError(file, fmt::format("{}: {}", shown(item.name), what));
  };
  const auto* names = dtype_of(item.dtype);
  if (!names) bad(fmt::format("type {} is not one that is read here (F32, F16, BF16, I64, ...)", shown(item.dtype)));
  if (item.offsets.size() != 2) bad("data_offsets must be two numbers");
  const auto begin = item.offsets[0], end = item.offsets[1];
  if (begin > end || end > data.size())
    bad(fmt::format("bytes {} to {} are outside of the file's {} bytes of data", begin, end, data.size()));
  // A side that is too large for int64_t turns negative here and is refused as such.
  const std::vector<int64_t> shape(item.shape.begin(), item.shape.end());
  int64_t numel = 0;
  if (!checked_numel(shape, numel)) bad(fmt::format("shape ({}) overflows", fmt::join(item.shape, ", ")));
  const auto width = c10::elementSize(names->dtype);
  if (static_cast<uint64_t>(numel) > data.size() / width || static_cast<uint64_t>(numel) * width != end - begin)
    bad(fmt::format("{} of {} does not fit the {} bytes at {}", item.dtype, shape_text(shape), end - begin, begin));
  const auto options = torch::dtype(names->dtype);
  if (numel == 0) return torch::empty(shape, options);
  auto* address = const_cast<std::byte*>(data.data() + begin);
  if (reinterpret_cast<uintptr_t>(address) % width != 0) {
    auto copy = torch::empty(shape, options);
    std::memcpy(copy.data_ptr(), address, end - begin);
    return copy;
  }
  return torch::from_blob(address, shape, [keep_alive](void*) {}, options);
}

/// Every byte of the data belongs to exactly one tensor: no overlaps, no holes, nothing behind the last.
void check_cover(const std::vector<Item>& items, uint64_t size, const std::string& file) {
  std::vector<const Item*> order;
  for (const auto& item : items) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) { return a->offsets < b->offsets; });
  uint64_t place = 0;
  for (const auto* item : order) {
    if (item->offsets[0] != place)
      throw FileError(file,
                      fmt::format("{} begins at byte {} of the data, expected {}: tensors {}", shown(item->name),
                                  item->offsets[0], place, item->offsets[0] < place ? "overlap" : "leave a hole"));
    place = item->offsets[1];
  }
  if (place != size)
    throw FileError(file, fmt::format("{} bytes of data, but its tensors fill {}: cut off or damaged", size, place));
}

std::string header_text(const NamedTensors& tensors, const std::vector<size_t>& order) {
  std::vector<std::array<uint64_t, 2>> offsets(order.size());
  uint64_t place = 0;
  for (const auto i : order) {
    const auto begin = place;
    place += tensors.entries[i].second.nbytes();
    offsets[i] = {begin, place};
  }
  auto header = nlohmann::ordered_json::object();
  if (!tensors.metadata.empty()) header["__metadata__"] = tensors.metadata;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto& [name, tensor] = tensors.entries[i];
    header[name] = {{"dtype", dtype_names(tensor.scalar_type())->safetensors},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", offsets[i]}};
  }
  auto text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void check_writable(const NamedTensors& tensors) {
  std::set<std::string_view> seen;
  for (const auto& [name, tensor] : tensors.entries) {
    if (name == "__metadata__" || !seen.insert(name).second)
      fail("[safetensors] two tensors cannot both be called \"{}\"", name);
    if (!tensor.defined()) fail("[safetensors] \"{}\" is an empty tensor handle", name);
    const auto* names = tensor.layout() == torch::kStrided ? dtype_names(tensor.scalar_type()) : nullptr;
    if (!names || names->safetensors.empty())
      fail("[safetensors] \"{}\" is {} {}, which the format cannot hold; convert it first", name,
           c10::toString(tensor.scalar_type()), tensor.layout() == torch::kStrided ? "" : "not strided");
  }
}

}  // namespace

NamedTensors read_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  return read_safetensors(file.bytes(), file.name(), file.keep_alive());
}

NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::string& name,
                              const std::shared_ptr<const void>& keep_alive) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length) throw FileError(name, "too short for a safetensors file");
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeader || length > bytes.size() - sizeof length)
    throw FileError(name, fmt::format("a header of {} bytes in a file of {}: cut off, or no safetensors file", length,
                                      bytes.size()));
  const auto text = bytes.subspan(sizeof length, length);
  const auto data = bytes.subspan(sizeof length + length);
  TensorHeader header;
  const auto* begin = reinterpret_cast<const char*>(text.data());
  if (!nlohmann::json::sax_parse(begin, begin + text.size(), &header)) throw FileError(name, header.mistake);

  NamedTensors out;
  out.source = name;
  out.metadata = std::move(header.metadata);
  out.entries.reserve(header.items.size());
  for (const auto& item : header.items) out.add(item.name, place(item, data, name, keep_alive));
  check_cover(header.items, data.size(), name);
  return out;
}

namespace {

/// The format, piece by piece into `write`; `name` is for messages.
void write_pieces(const NamedTensors& tensors, const std::string& name,
                  const std::function<void(std::string_view)>& write) {
  check_writable(tensors);
  // Wide elements first: behind a header of a multiple of 8 bytes each tensor then lies aligned to its own.
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return tensors.entries[a].second.element_size() > tensors.entries[b].second.element_size();
  });
  const auto header = header_text(tensors, order);
  const uint64_t length = header.size();
  if (length > kMaxHeader)
    throw FileError(name, fmt::format("names, shapes and metadata would fill {} bytes; at most {} can be read", length,
                                      kMaxHeader));
  write({reinterpret_cast<const char*>(&length), sizeof length});
  write(header);
  for (const auto i : order) {
    const auto tensor = tensors.entries[i].second.detach().resolve_conj().resolve_neg().cpu().contiguous();
    if (tensor.numel() > 0) write({static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()});
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors) {
  check_writable(tensors);  // before a file is begun
  AtomicFile file(path);
  write_pieces(tensors, path.string(), [&](std::string_view bytes) { file.write(bytes); });
  file.commit();
}

std::string encode_safetensors(const NamedTensors& tensors) {
  std::string out;
  write_pieces(tensors, "tensors", [&](std::string_view bytes) { out += bytes; });
  return out;
}

}  // namespace hadal
