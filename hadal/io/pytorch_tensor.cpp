#include "hadal/io/pytorch_tensor.h"

#include "hadal/io/bytes.h"

namespace hadal {
namespace {

using Node = PickleNode;

constexpr size_t kMaxDims = 64;
// An expanded tensor (stride 0) may be larger than its storage, but not so that using it would take all memory.
constexpr int64_t kMaxExpanded = int64_t{1} << 31;

const DtypeNames* dtype_by(std::string_view DtypeNames::* field, std::string_view name) {
  for (const auto& names : all_dtype_names())
    if (!name.empty() && names.*field == name) return &names;
  return nullptr;
}

/// The part behind "torch " of a global's text.
std::string_view torch_name(const Node& node) {
  constexpr std::string_view kTorch = "torch ";
  return node.kind == Node::kGlobal && node.text.starts_with(kTorch) ? node.text.substr(kTorch.size())
                                                                     : std::string_view();
}

class Rebuilder {
 public:
  Rebuilder(const Pickle& pickle, const StorageSource& storages, const std::string& file, const std::string& name)
      : pickle_(pickle), storages_(storages), file_(file), name_(name) {}

  Tensor rebuild(std::string_view maker, PickleRef args, int depth = 0) const {
    if (depth > 8) bad("a tensor inside of itself");
    const auto& items = tuple(args);
    if (maker == "torch._utils _rebuild_tensor") return strided(items, 4, Node::kNothing);
    if (maker == "torch._utils _rebuild_tensor_v2") return strided(items, 6, Node::kNothing);
    if (maker == "torch._utils _rebuild_tensor_v3") {
      if (items.size() < 7) bad("too few arguments");
      return strided(items, 7, items[6]);
    }
    if (maker == "torch._utils _rebuild_parameter" || maker == "torch._utils _rebuild_parameter_with_state") {
      if (items.empty() || !is_tensor_object(pickle_, pickle_[items[0]])) bad("a parameter without its tensor");
      const auto& inner = pickle_[items[0]];
      return rebuild(pickle_.class_of(inner), inner.args, depth + 1);
    }
    if (maker == "torch._tensor _rebuild_from_type_v2") {
      if (items.size() < 3 || !pickle_.is(items[0], Node::kGlobal)) bad("a tensor without its maker");
      return rebuild(pickle_[items[0]].text, items[2], depth + 1);
    }
    bad(fmt::format("this kind of tensor ({}) cannot be read; save it as an ordinary dense one", shown(maker)));
  }

 private:
  static constexpr auto kNothing = Node::kNothing;
  [[noreturn]] void bad(const std::string& what) const {
    throw FileError(file_, fmt::format("tensor {}: {}", shown(name_), what));
  }
  const std::vector<PickleRef>& tuple(PickleRef ref) const {
    // torch.Size is a tuple's class, made of one.
    if (pickle_.is(ref, Node::kObject) && pickle_.class_of(pickle_[ref]) == "torch Size") {
      const auto& args = pickle_[pickle_[ref].args].items;
      if (args.size() == 1) ref = args[0];
    }
    if (!pickle_.is(ref, Node::kTuple) && !pickle_.is(ref, Node::kList)) bad("expected a tuple");
    return pickle_[ref].items;
  }
  int64_t whole(PickleRef ref) const {
    if (!pickle_.is(ref, Node::kInt) || !pickle_[ref].text.empty() || pickle_[ref].number < 0)
      bad("expected a whole number that is not negative");
    return pickle_[ref].number;
  }
  std::vector<int64_t> numbers(PickleRef ref) const {
    const auto& items = tuple(ref);
    if (items.size() > kMaxDims) bad(fmt::format("more than {} dimensions", kMaxDims));
    std::vector<int64_t> out;
    for (const auto item : items) out.push_back(whole(item));
    return out;
  }
  bool flag(PickleRef dict, std::string_view key) const {
    const auto* node = pickle_.get(pickle_[dict], key);
    return node && node->kind == Node::kBool && node->number != 0;
  }

  /// (storage, offset, sizes, strides, requires_grad, hooks, [dtype,] [metadata])
  Tensor strided(const std::vector<PickleRef>& items, size_t metadata, PickleRef dtype) const {
    if (items.size() < 4 || !pickle_.is(items[0], Node::kPersistent)) bad("a tensor without its storage");
    auto claim = read_storage_claim(pickle_, pickle_[items[0]], file_);
    if (!claim) bad("a tensor without its storage");
    auto type = claim->dtype;
    if (dtype != kNothing) {
      const auto* names = dtype_by(&DtypeNames::torch, torch_name(pickle_[dtype]));
      if (!names) bad(fmt::format("type {} cannot be read", shown(pickle_[dtype].text)));
      type = names->dtype;
    }
    auto tensor = place(*claim, type, whole(items[1]), numbers(items[2]), numbers(items[3]));
    if (items.size() > metadata && flag(items[metadata], "conj") && tensor.is_complex()) tensor = tensor.conj();
    if (items.size() > metadata && flag(items[metadata], "neg")) tensor = tensor._neg_view();
    return tensor;
  }

  Tensor place(const StorageClaim& claim, torch::ScalarType type, int64_t offset, const std::vector<int64_t>& sizes,
               const std::vector<int64_t>& strides) const {
    int64_t numel = 0, reach = 1;
    if (strides.size() != sizes.size()) bad("sizes and strides of different length");
    const auto width = static_cast<int64_t>(c10::elementSize(type));
    int64_t bytes = 0;
    bool overflow = !checked_numel(sizes, numel) || __builtin_mul_overflow(numel, width, &bytes);
    if (overflow) bad(fmt::format("shape {} overflows", shape_text(sizes)));
    const auto options = torch::dtype(type);
    if (numel == 0) return torch::empty(sizes, options);
    for (size_t i = 0; i < sizes.size(); ++i) {
      int64_t step = 0;
      overflow = overflow || __builtin_mul_overflow(sizes[i] - 1, strides[i], &step) ||
                 __builtin_add_overflow(reach, step, &reach);
    }
    const auto room = claim.count * static_cast<int64_t>(c10::elementSize(claim.dtype)) / width;
    overflow = overflow || __builtin_add_overflow(reach, offset, &reach);
    if (overflow || reach > room)
      bad(fmt::format("shape {} with strides {} at {} leaves its storage of {} elements", shape_text(sizes),
                      shape_text(strides), offset, room));
    if (numel > std::max(room, kMaxExpanded)) bad(fmt::format("{} elements out of a storage of {}", numel, room));
    const auto first = claim.first * static_cast<int64_t>(c10::elementSize(claim.dtype)) / width;
    return torch::empty({0}, options).set_(storages_(claim), first + offset, sizes, strides);
  }

  const Pickle& pickle_;
  const StorageSource& storages_;
  const std::string& file_;
  const std::string& name_;
};

}  // namespace

std::optional<StorageClaim> read_storage_claim(const Pickle& pickle, const PickleNode& persistent,
                                               const std::string& file) {
  const auto bad = [&](std::string_view what) { throw FileError(file, fmt::format("a storage with {}", what)); };
  if (persistent.kind != Node::kPersistent || !pickle.is(persistent.args, Node::kTuple)) return std::nullopt;
  const auto& items = pickle[persistent.args].items;
  if (items.size() < 5 || pickle[items[0]].text != "storage") return std::nullopt;
  const auto &kind = pickle[items[1]], &key = pickle[items[2]], &device = pickle[items[3]], &size = pickle[items[4]];
  StorageClaim out;
  if (kind.text == "torch.storage UntypedStorage" || kind.text == "torch UntypedStorage") {
    out.dtype = torch::kByte, out.typed = false;
  } else if (const auto* names = dtype_by(&DtypeNames::storage, torch_name(kind))) {
    out.dtype = names->dtype;
  } else {
    bad(fmt::format("elements of {}, which cannot be read", shown(kind.text)));
  }
  if (key.kind != Node::kString) bad("a key that is no text");
  if (device.kind == Node::kString && device.text == "meta") bad("no data: it was saved from the meta device");
  const auto number = [&](const Node& node) {
    if (node.kind != Node::kInt || !node.text.empty() || node.number < 0 || node.number > INT64_MAX / 16)
      bad("a size or place that is no whole number");
    return node.number;
  };
  out.key = key.text;
  out.elements = out.count = number(size);
  if (items.size() > 5 && pickle.is(items[5], Node::kTuple)) {
    const auto& view = pickle[items[5]].items;
    if (view.size() != 3) bad("a malformed view");
    out.first = number(pickle[view[1]]), out.count = number(pickle[view[2]]);
    if (out.first > out.elements || out.count > out.elements - out.first) bad("a view that leaves it");
  }
  return out;
}

bool is_tensor_object(const Pickle& pickle, const PickleNode& node) {
  const auto maker = pickle.class_of(node);
  return maker.starts_with("torch._utils _rebuild_") || maker.starts_with("torch._tensor _rebuild_");
}

Tensor rebuild_tensor(const Pickle& pickle, const PickleNode& object, const StorageSource& storages,
                      const std::string& file, const std::string& name) {
  return Rebuilder(pickle, storages, file, name).rebuild(pickle.class_of(object), object.args);
}

}  // namespace hadal
