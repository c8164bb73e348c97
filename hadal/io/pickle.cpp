#include "hadal/io/pickle.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "hadal/io/bytes.h"

namespace hadal {
namespace {

// Each opcode makes at most one node and one reference, so this bounds memory (to about 600 MB) and time. A checkpoint
// with ten thousand tensors takes 300,000.
constexpr size_t kMaxOpcodes = size_t{8} << 20;
constexpr size_t kMaxGlobal = 1000;

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
            static_cast<char>(0x80 | (c & 63))};
  } else {
    out += {static_cast<char>(0xF0 | (c >> 18 & 7)), static_cast<char>(0x80 | (c >> 12 & 63)),
            static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
  }
}

/// The backslash escapes of protocol 0's texts; an unknown one stays as it is.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      append_utf8(out, static_cast<unsigned char>(text[i]));  // protocol 0 writes Latin-1
      continue;
    }
    const char kind = text[i + 1];
    const size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    const auto hex = text.substr(i + 2, digits);
    uint32_t code = 0;
    if (digits > 0 && hex.size() == digits &&
        std::from_chars(hex.data(), hex.data() + digits, code, 16).ptr == hex.data() + digits) {
      append_utf8(out, code);
      i += 1 + digits;
    } else if (const auto at = std::string_view("\\'\"nrt").find(kind); at != std::string_view::npos) {
      out += "\\'\"\n\r\t"[at];
      ++i;
    } else {
      out += '\\';
    }
  }
  return out;
}

}  // namespace

class PickleMachine {
 public:
  PickleMachine(Pickle& out, std::string_view bytes, const std::string& name, uint64_t offset)
      : out_(out), bytes_(bytes), name_(name), offset_(offset) {
    for (const auto [kind, number] : {std::pair{Node::kNone, 0}, {Node::kBool, 0}, {Node::kBool, 1}, {Node::kTuple, 0}})
      out_.nodes_.push_back({.kind = kind, .number = number});
  }

  void run() {
    size_t count = 0;
    do {
      start_ = at_;
      if (++count > kMaxOpcodes) bad(fmt::format("more than {} opcodes; no file of weights needs them", kMaxOpcodes));
    } while (step(static_cast<uint8_t>(take(1)[0])));
    out_.root_ = pop();
    out_.length_ = at_;
  }

 private:
  using Node = PickleNode;
  using Ref = PickleRef;
  static constexpr Ref kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;  // never changed, so shared

  [[noreturn]] void bad(const std::string& what) const {
    throw FileError(name_, fmt::format("pickle at byte {}: {}", offset_ + start_, what));
  }

  // Reading.
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) bad("cut off");
    const auto out = bytes_.substr(at_, count);
    at_ += count;
    return out;
  }
  /// An unsigned little-endian number.
  uint64_t number(size_t width) {
    uint64_t out = 0;
    std::memcpy(&out, take(width).data(), width);
    return out;
  }
  std::string_view line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) bad("cut off");
    const auto out = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return out;
  }

  // The stack.
  Ref pop() {
    if (stack_.size() <= floor()) bad("takes more than there is");
    const auto ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  Ref top() const {
    if (stack_.size() <= floor()) bad("takes more than there is");
    return stack_.back();
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) bad("no mark on the stack");
    std::vector<Ref> out(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  std::vector<Ref> pop_many(size_t count) {
    std::vector<Ref> out(count);
    for (auto i = count; i-- > 0;) out[i] = pop();
    return out;
  }
  bool push(Ref ref) { return stack_.push_back(ref), true; }
  bool push(Node node) {
    out_.nodes_.push_back(std::move(node));
    return push(static_cast<Ref>(out_.nodes_.size() - 1));
  }
  bool push_items(Node::Kind kind, std::vector<Ref> items) { return push({.kind = kind, .items = std::move(items)}); }
  bool push_int(int64_t value) { return push({.kind = Node::kInt, .number = value}); }
  bool push_text(Node::Kind kind, std::string_view text) { return push({.kind = kind, .text = text}); }
  std::string_view keep(std::string text) { return out_.texts_.emplace_back(std::move(text)); }
  Node& node(Ref ref) { return out_.nodes_[ref]; }

  // The memo.
  bool put(uint64_t key) { return memo_[key] = top(), true; }
  bool get(uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) bad(fmt::format("nothing was remembered as {}", key));
    return push(found->second);
  }

  bool step(uint8_t code);
  bool step_text(uint8_t code);
  bool step_object(uint8_t code);

  bool push_float(std::string_view text) {
    double value = 0;
    if (text.empty() || std::from_chars(text.data(), text.data() + text.size(), value).ptr != text.data() + text.size())
      bad("not a number");
    Node node{.kind = Node::kFloat};
    node.real = value;
    return push(std::move(node));
  }
  bool push_big_endian_float() {
    const auto text = take(8);
    std::array<char, 8> swapped;
    std::reverse_copy(text.begin(), text.end(), swapped.begin());
    Node node{.kind = Node::kFloat};
    std::memcpy(&node.real, swapped.data(), 8);
    return push(std::move(node));
  }
  /// Decimal digits; `L` ends Python 2's long ones.
  bool push_decimal(std::string_view text) {
    if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
    return push({.kind = Node::kInt, .number = decimal(text), .text = text});
  }
  int64_t decimal(std::string_view text) const {
    int64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || result.ptr != text.data() + text.size()) bad("not a whole number");
    return value;
  }
  /// Two's complement, little-endian, any width.
  bool push_long(uint64_t width) {
    const auto text = take(width);
    if (width > 8) return push({.kind = Node::kInt, .text = text});
    int64_t value = width > 0 && (text.back() & 0x80) ? -1 : 0;
    std::memcpy(&value, text.data(), width);
    return push_int(value);
  }
  bool push_global(std::string_view module, std::string_view name) {
    if (module.size() + name.size() > kMaxGlobal) bad("a global's name of over a thousand letters");
    if (const auto why = dangerous_global(module, name); !why.empty())
      bad(fmt::format("refused: it names {}, which {}; this file was made to run code when Python loads it",
                      shown(fmt::format("{}.{}", module, name)), why));
    return push_text(Node::kGlobal, keep(fmt::format("{} {}", module, name)));
  }
  bool push_object(Ref call, Ref args) {
    if (!out_.is(call, Node::kGlobal) && !out_.is(call, Node::kObject) && !out_.is(call, Node::kPersistent))
      bad("calls what is no class or function");
    if (!out_.is(args, Node::kTuple)) bad("arguments that are no tuple");
    return push({.kind = Node::kObject, .call = call, .args = args});
  }
  bool push_object(Ref call, std::vector<Ref> args) {
    push_items(Node::kTuple, std::move(args));
    return push_object(call, pop());
  }
  /// Adds to the container on top of the stack, or to an object of a class derived from one.
  bool add(Node::Kind kind, const std::vector<Ref>& items) {
    auto& target = node(top());
    if (target.kind != kind && target.kind != Node::kObject) bad("adds to what is no container");
    if (kind == Node::kDict && items.size() % 2 != 0) bad("a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
    return true;
  }
  bool build() {
    const auto state = pop();
    auto& target = node(top());
    if (target.kind != Node::kObject) bad("gives a state to what is no object");
    target.state = state;
    return true;
  }

  Pickle& out_;
  std::string_view bytes_;
  const std::string& name_;
  uint64_t offset_;
  size_t at_ = 0, start_ = 0;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Ref> memo_;
};

/// Control, numbers, containers and memo; false at the end mark.
// clang-format off: an opcode a line
bool PickleMachine::step(uint8_t code) {
  switch (code) {
    case 0x80:  // PROTO
      if (const auto protocol = number(1); protocol > 5) bad(fmt::format("protocol {}; 0 to 5 are read", protocol));
      return true;
    case 0x95: return take(8), true;  // FRAME: only how the writer buffered
    case '.': return false;
    case '(': return marks_.push_back(stack_.size()), true;
    case '0': return marks_.empty() || stack_.size() > marks_.back() ? pop() : (marks_.pop_back(), kNone), true;
    case '1': return pop_to_mark(), true;
    case '2': return push(top());
    case 'N': return push(kNone);
    case 0x88: return push(kTrue);
    case 0x89: return push(kFalse);
    case 'J': return push_int(static_cast<int32_t>(number(4)));
    case 'K': return push_int(static_cast<int64_t>(number(1)));
    case 'M': return push_int(static_cast<int64_t>(number(2)));
    case 'I': {  // protocol 0 writes truth values as 00 and 01
      const auto text = line();
      return text == "00" ? push(kFalse) : text == "01" ? push(kTrue) : push_decimal(text);
    }
    case 'L': return push_decimal(line());
    case 0x8a: return push_long(number(1));
    case 0x8b: return push_long(number(4));
    case 'F': return push_float(line());
    case 'G': return push_big_endian_float();
    case ')': return push(kEmptyTuple);
    case 't': return push_items(Node::kTuple, pop_to_mark());
    case 0x85: return push_items(Node::kTuple, pop_many(1));
    case 0x86: return push_items(Node::kTuple, pop_many(2));
    case 0x87: return push_items(Node::kTuple, pop_many(3));
    case ']': return push({.kind = Node::kList});
    case 'l': return push_items(Node::kList, pop_to_mark());
    case 'a': return add(Node::kList, pop_many(1));
    case 'e': return add(Node::kList, pop_to_mark());
    case '}': return push({.kind = Node::kDict});
    case 'd': {
      auto items = pop_to_mark();
      return push({.kind = Node::kDict}), add(Node::kDict, items);
    }
    case 's': return add(Node::kDict, pop_many(2));
    case 'u': return add(Node::kDict, pop_to_mark());
    case 0x8f: return push({.kind = Node::kSet});
    case 0x90: return add(Node::kSet, pop_to_mark());
    case 0x91: return push_items(Node::kSet, pop_to_mark());
    case 'p': return put(static_cast<uint64_t>(decimal(line())));
    case 'q': return put(number(1));
    case 'r': return put(number(4));
    case 0x94: return put(memo_.size());
    case 'g': return get(static_cast<uint64_t>(decimal(line())));
    case 'h': return get(number(1));
    case 'j': return get(number(4));
    default: return step_text(code);
  }
}

bool PickleMachine::step_text(uint8_t code) {
  switch (code) {
    case 'S': {
      auto text = line();
      if (text.size() < 2 || (text.front() != '\'' && text.front() != '"') || text.back() != text.front())
        bad("a text without quotes");
      return push_text(Node::kString, keep(unescape(text.substr(1, text.size() - 2))));
    }
    case 'V': return push_text(Node::kString, keep(unescape(line())));
    case 'T': return push_text(Node::kString, take(number(4)));
    case 'U': return push_text(Node::kString, take(number(1)));
    case 'X': return push_text(Node::kString, take(number(4)));
    case 0x8c: return push_text(Node::kString, take(number(1)));
    case 0x8d: return push_text(Node::kString, take(number(8)));
    case 'B': return push_text(Node::kBytes, take(number(4)));
    case 'C': return push_text(Node::kBytes, take(number(1)));
    case 0x8e: return push_text(Node::kBytes, take(number(8)));
    case 0x96: return push_text(Node::kBytes, take(number(8)));
    default: return step_object(code);
  }
}

bool PickleMachine::step_object(uint8_t code) {
  switch (code) {
    case 'c': {
      const auto module = line();
      return push_global(module, line());
    }
    case 0x93: {
      const auto parts = pop_many(2);
      if (!out_.is(parts[0], Node::kString) || !out_.is(parts[1], Node::kString)) bad("a global's name is no text");
      return push_global(node(parts[0]).text, node(parts[1]).text);
    }
    case 'R':
    case 0x81: {
      const auto args = pop();
      return push_object(pop(), args);
    }
    case 0x92: {  // class, arguments, keyword arguments, which nothing that is read here has
      const auto parts = pop_many(3);
      return push_object(parts[0], parts[1]);
    }
    case 'i': {
      const auto module = line();
      push_global(module, line());
      const auto call = pop();
      return push_object(call, pop_to_mark());
    }
    case 'o': {
      auto parts = pop_to_mark();
      if (parts.empty()) bad("takes more than there is");
      const auto call = parts.front();
      parts.erase(parts.begin());
      return push_object(call, std::move(parts));
    }
    case 'b': return build();
    case 'P':
      push_text(Node::kString, line());
      [[fallthrough]];
    case 'Q': {
      const auto id = pop();
      return push({.kind = Node::kPersistent, .args = id});
    }
    default: bad(fmt::format("unknown opcode 0x{:02x}", code));
  }
}
// clang-format on

Pickle::Pickle(std::string_view bytes, const std::string& name, uint64_t offset) {
  PickleMachine(*this, bytes, name, offset).run();
}

}  // namespace hadal
