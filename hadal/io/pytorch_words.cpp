#include "hadal/io/pytorch_words.h"

#include <optional>

#include <nlohmann/json.hpp>

namespace hadal {
namespace {

using Json = nlohmann::json;
using Node = PickleNode;

constexpr size_t kMost = size_t{1} << 20;
constexpr int kDeepestWords = 20;

class Reader {
 public:
  Reader(const Pickle& pickle, size_t& left) : pickle_(pickle), left_(left) {}

  /// Nothing for what is not plain, too deep, or more than is left.
  std::optional<Json> read(PickleRef ref, int depth = 0) {
    if (ref == Node::kNothing || depth > kDeepestWords || !spend(8)) return {};
    const auto& node = pickle_[ref];
    switch (node.kind) {
      case Node::kNone:
        return Json();
      case Node::kBool:
        return Json(node.number != 0);
      case Node::kInt:
        return node.text.empty() ? std::optional(Json(node.number)) : std::nullopt;
      case Node::kFloat:
        return Json(node.real);
      case Node::kString:
        return spend(node.text.size()) ? std::optional(Json(std::string(node.text))) : std::nullopt;
      case Node::kList:
      case Node::kTuple:
        return list(node, depth);
      case Node::kDict:
        return dictionary(node, depth);
      default:
        return {};
    }
  }

 private:
  bool spend(size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  std::optional<Json> list(const Node& node, int depth) {
    auto out = Json::array();
    for (const auto item : node.items) {
      auto value = read(item, depth + 1);
      if (!value) return {};
      out.push_back(std::move(*value));
    }
    return out;
  }
  std::optional<Json> dictionary(const Node& node, int depth) {
    auto out = Json::object();
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const auto& key = pickle_[node.items[i]];
      const bool number = key.kind == Node::kInt && key.text.empty();
      if ((!number && key.kind != Node::kString) || !spend(key.text.size())) return {};
      auto value = read(node.items[i + 1], depth + 1);
      if (!value) return {};
      out[number ? std::to_string(key.number) : std::string(key.text)] = std::move(*value);
    }
    return out;
  }

  const Pickle& pickle_;
  size_t& left_;
};

}  // namespace

void take_module_words(const Pickle& pickle, const PickleNode& state, NamedTensors& out) {
  auto left = kMost;
  for (size_t i = 0; i + 1 < state.items.size(); i += 2) {
    const auto& key = pickle[state.items[i]];
    if (key.kind != Node::kString || key.text.empty() || key.text.starts_with('_') || key.text == "training") continue;
    if (const auto value = Reader(pickle, left).read(state.items[i + 1]); value && !value->is_null())
      out.metadata["module." + std::string(key.text)] = value->dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

}  // namespace hadal
