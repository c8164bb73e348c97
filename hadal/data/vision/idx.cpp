#include "hadal/data/vision/idx.h"

#include <algorithm>
#include <cstring>

#include "hadal/core/error.h"
#include "hadal/io/archive.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

struct Type {
  uint8_t code;
  torch::ScalarType type;
  int64_t width;
};
constexpr Type kTypes[] = {{0x08, torch::kUInt8, 1}, {0x09, torch::kInt8, 1},    {0x0b, torch::kInt16, 2},
                           {0x0c, torch::kInt32, 4}, {0x0d, torch::kFloat32, 4}, {0x0e, torch::kFloat64, 8}};
constexpr int64_t kMostDims = 8, kMostClasses = 65536;

struct Header {
  Type type;
  std::vector<int64_t> sizes;
  int64_t bytes = 4;  // of the header itself
};

Header parse_header(std::string_view bytes, std::string_view name) {
  const auto byte = [&](int64_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (bytes.size() < 4) throw FileError(name, fmt::format("{} bytes are too few for an IDX file", bytes.size()));
  const auto* type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& t) { return t.code == byte(2); });
  if (byte(0) != 0 || byte(1) != 0 || type == std::end(kTypes))
    throw FileError(name, fmt::format("not an IDX file: it begins {:02x} {:02x} {:02x} {:02x}, expected 00 00, a type "
                                      "(08 is unsigned bytes) and the number of dimensions",
                                      byte(0), byte(1), byte(2), byte(3)));
  const int64_t dims = byte(3);
  if (dims < 1 || dims > kMostDims)
    throw FileError(name, fmt::format("IDX header says {} dimensions, expected 1 to {}", dims, kMostDims));
  Header header{*type, {}, 4 + 4 * dims};
  if (static_cast<int64_t>(bytes.size()) < header.bytes) throw FileError(name, "IDX header is cut off");
  for (int64_t at = 4; at < header.bytes; at += 4)
    header.sizes.push_back(int64_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3));
  return header;
}

/// Bytes of the array, or -1 when no memory can hold that many. A size of 0 does not excuse the others: strides are
/// products too.
int64_t payload(const Header& header) {
  int64_t total = header.type.width;
  for (const auto size : header.sizes)
    if (__builtin_mul_overflow(total, std::max<int64_t>(size, 1), &total)) return -1;
  return std::count(header.sizes.begin(), header.sizes.end(), 0) > 0 ? 0 : total;
}

/// Reverses each value's bytes: IDX is big-endian, Hadal's machines are not.
template <class Word>
void swap_bytes(void* data, int64_t count) {
  auto* at = static_cast<char*>(data);
  for (int64_t i = 0; i < count; ++i, at += sizeof(Word)) std::reverse(at, at + sizeof(Word));
}

struct Found {
  fs::path images, labels;
};

/// Empty when it is not there. Some archives unpack to a folder of the file's name, which is no file.
fs::path look_for(const fs::path& folder, const std::string& part, const std::string& kind, int dims) {
  std::error_code error;
  for (const auto* dot : {"-", "."})
    for (const auto* packed : {"", ".gz"})
      if (auto path = folder / fmt::format("{}-{}{}idx{}-ubyte{}", part, kind, dot, dims, packed);
          fs::is_regular_file(path, error))
        return path;
  return {};
}

fs::path find(const fs::path& folder, const std::string& part, const std::string& kind, int dims) {
  auto path = look_for(folder, part, kind, dims);
  if (path.empty())
    throw FileError(folder.string(), fmt::format("no {}-{}-idx{}-ubyte here, with or without .gz", part, kind, dims));
  return path;
}

Found find_pair(const fs::path& folder, const std::string& part) {
  if (!fs::is_directory(folder))
    throw FileError(folder.string(), "no such folder; IDX data is a folder with MNIST's four files");
  return {find(folder, part, "images", 3), find(folder, part, "labels", 1)};
}

std::vector<int64_t> read_labels(const fs::path& path) {
  const auto labels = read_idx(path);
  if (labels.dim() != 1 || labels.is_floating_point())
    throw FileError(path.string(), fmt::format("labels must be integers of 1 dimension, got {} dimensions of {}",
                                               labels.dim(), labels.dtype().name()));
  const auto wide = labels.to(torch::kInt64);
  std::vector<int64_t> out(wide.data_ptr<int64_t>(), wide.data_ptr<int64_t>() + wide.numel());
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] < 0 || out[i] >= kMostClasses)
      throw FileError(path.string(),
                      fmt::format("label {} of picture {} is no class; expected 0 to {}", out[i], i, kMostClasses - 1));
  return out;
}

Tensor read_pictures(const fs::path& path) {
  auto images = read_idx(path);
  if (images.dim() != 3 || images.scalar_type() != torch::kUInt8 || images.numel() == 0)
    throw FileError(path.string(),
                    fmt::format("pictures must be unsigned bytes of 3 dimensions (number, height, width), got {} ({})",
                                images.dtype().name(), fmt::join(images.sizes(), ", ")));
  return images.unsqueeze(3);
}

}  // namespace

Tensor parse_idx(std::string_view bytes, std::string_view name) {
  const auto header = parse_header(bytes, name);
  const auto expected = payload(header), there = static_cast<int64_t>(bytes.size()) - header.bytes;
  if (expected != there)
    throw FileError(name, fmt::format("IDX header says ({}) values of {} bytes, {} bytes follow it{}",
                                      fmt::join(header.sizes, ", "), header.type.width, there,
                                      expected > there || expected < 0 ? "; the file is cut off or damaged" : ""));
  auto array = torch::empty(header.sizes, header.type.type);
  if (there > 0) std::memcpy(array.data_ptr(), bytes.data() + header.bytes, there);
  const auto count = array.numel();
  if (header.type.width == 2) swap_bytes<int16_t>(array.data_ptr(), count);
  if (header.type.width == 4) swap_bytes<int32_t>(array.data_ptr(), count);
  if (header.type.width == 8) swap_bytes<int64_t>(array.data_ptr(), count);
  return array;
}

Tensor read_idx(const fs::path& path) { return parse_idx(read_gz(path), path.string()); }

std::vector<std::string> idx_splits(const fs::path& folder, int64_t val) {
  std::vector<std::string> splits;
  const auto holds = [&](const char* part) { return !look_for(folder, part, "images", 3).empty(); };
  if (holds("train")) splits.emplace_back("train");
  if (holds("train") && val > 0) splits.emplace_back("val");
  if (holds("t10k")) splits.emplace_back("test");
  if (splits.empty()) find_pair(folder, "train");  // says what is missing
  return splits;
}

IdxData::IdxData(const fs::path& folder, const std::string& split, int64_t val, std::vector<std::string> classes)
    : classes_(std::move(classes)) {
  require(split == "train" || split == "val" || split == "test",
          "unknown split \"{}\" of {}; expected train, val or test", split, folder.string());
  const auto [pictures, answers] = find_pair(folder, split == "test" ? "t10k" : "train");
  images_ = read_pictures(pictures);
  labels_ = read_labels(answers);
  file_ = pictures.filename().string();
  const auto count = images_.size(0);
  if (static_cast<int64_t>(labels_.size()) != count)
    throw FileError(answers.string(),
                    fmt::format("{} labels for the {} pictures of {}", labels_.size(), count, pictures.string()));

  if (classes_.empty()) {
    const auto train = split == "test" ? look_for(folder, "train", "labels", 1) : fs::path();
    const auto known = train.empty() ? labels_ : read_labels(train);
    if (known.empty()) throw FileError((folder / "train-labels").string(), "no labels to tell the classes from");
    for (int64_t i = 0; i <= *std::max_element(known.begin(), known.end()); ++i) classes_.push_back(std::to_string(i));
  }
  const auto worst = std::max_element(labels_.begin(), labels_.end());
  if (*worst >= static_cast<int64_t>(classes_.size()))
    throw FileError(answers.string(), fmt::format("label {} of picture {} of {} is beyond the {} classes", *worst,
                                                  worst - labels_.begin(), pictures.string(), classes_.size()));
  if (split == "test") return;
  require(val >= 0 && val < count, "val ({}) must be from 0 to {}: {} holds {} pictures", val, count - 1,
          pictures.string(), count);
  require(split == "train" || val > 0,
          "{} has no val split with val=0; val=5000 takes the last 5,000 of the train file", folder.string());
  first_ = split == "val" ? count - val : 0;
  const auto kept = split == "val" ? val : count - val;
  images_ = images_.narrow(0, first_, kept);
  if (split == "val") images_ = images_.clone();  // lets go of the train part
  labels_ = {labels_.begin() + first_, labels_.begin() + first_ + kept};
}

}  // namespace hadal
