// Python's pickle format read as data: the opcodes of protocols 0 to 5 build an inert tree, nothing is looked up or
// run. (https://docs.python.org/3/library/pickletools.html; Lib/pickletools.py is the format's only full description.)
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// A place in Pickle::nodes(). Trees are graphs: a node may be met twice, and contain itself.
using PickleRef = uint32_t;

struct PickleNode {
  enum Kind : uint8_t {
    kNone,
    kBool,        // number
    kInt,         // number; text holds the little-endian bytes (or digits) of those that do not fit
    kFloat,       // real
    kString,      // text
    kBytes,       // text
    kList,        // items
    kTuple,       // items
    kDict,        // items: key, value, key, value, ...
    kSet,         // items
    kGlobal,      // text: "module name"
    kObject,      // call(args) that Python would have made; then items of a list or dict subclass, and a state
    kPersistent,  // args: what the program that wrote the pickle keeps outside of it
  };
  static constexpr PickleRef kNothing = UINT32_MAX;

  Kind kind = kNone;
  union {
    int64_t number = 0;
    double real;
  };
  std::string_view text;
  std::vector<PickleRef> items;
  PickleRef call = kNothing, args = kNothing, state = kNothing;
};

/// One pickle. Nodes lie in one array, so that depth and cycles of a hostile pickle cost no stack.
class Pickle {
 public:
  /// Reads from the beginning of `bytes`, which must outlive this; `name` and `offset` (of `bytes` in its file) are for
  /// messages. Throws FileError for anything malformed, for globals that run code when Python loads them (named, with
  /// their offset), and beyond limits that no file of weights comes near.
  Pickle(std::string_view bytes, const std::string& name, uint64_t offset = 0);

  const PickleNode& root() const { return nodes_[root_]; }
  PickleRef size() const { return static_cast<PickleRef>(nodes_.size()); }
  const PickleNode& operator[](PickleRef ref) const { return nodes_[ref]; }
  /// Bytes that the pickle took, up to its end mark.
  size_t length() const { return length_; }

  bool is(PickleRef ref, PickleNode::Kind kind) const {
    return ref != PickleNode::kNothing && nodes_[ref].kind == kind;
  }
  /// "module name" of the global that made this object; empty for anything else.
  std::string_view class_of(const PickleNode& node) const;
  /// The value of a text key in a dict or an object's items; nullptr when there is none.
  const PickleNode* get(const PickleNode& dict, std::string_view key) const;

 private:
  friend class PickleMachine;
  std::vector<PickleNode> nodes_;
  std::deque<std::string> texts_;  // texts that had escapes
  PickleRef root_ = PickleNode::kNothing;
  size_t length_ = 0;
};

/// Why Python would run code for this global; empty when it is none of the known ones.
std::string_view dangerous_global(std::string_view module, std::string_view name);

}  // namespace hadal
