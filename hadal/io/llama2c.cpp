#include "hadal/io/llama2c.h"

#include <cstdlib>
#include <optional>

#include "hadal/core/value.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

struct Header {
  int64_t dim, hidden, layers, heads, kv_heads, vocabulary, context;
  bool own_head;

  int64_t width() const { return dim / heads; }
};
constexpr uint64_t kHeaderBytes = 7 * sizeof(int32_t);

/// nullopt where the numbers cannot be a model's.
std::optional<Header> read_header(Cursor& cursor) {
  int32_t numbers[7];
  for (auto& number : numbers) number = cursor.read<int32_t>();
  Header header{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[5] < 0};
  header.vocabulary = std::abs(header.vocabulary);
  constexpr int64_t kMost = 1 << 20;  // of any number: their products stay far below 2^63
  for (const auto number :
       {header.dim, header.hidden, header.layers, header.heads, header.kv_heads, header.vocabulary, header.context})
    if (number < 1 || number > kMost) return std::nullopt;
  const bool whole = header.dim % header.heads == 0 && header.heads % header.kv_heads == 0 && header.width() % 2 == 0;
  return whole && header.layers <= 4096 ? std::optional(header) : std::nullopt;
}

uint64_t floats_of(const Header& h) {
  const auto kv = h.kv_heads * h.width();
  // Every factor is at most 2^20 and there are at most 2^12 layers, so each product is below 2^54.
  const auto layer = 2 * h.dim + 2 * h.dim * h.dim + 2 * h.dim * kv + 3 * h.dim * h.hidden;
  return static_cast<uint64_t>(h.vocabulary * h.dim * (h.own_head ? 2 : 1) + h.layers * layer + h.dim +
                               h.context * h.width());
}

}  // namespace

bool is_llama2c(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  Cursor cursor(bytes, "");
  const auto header = read_header(cursor);
  return header && bytes.size() == kHeaderBytes + sizeof(float) * floats_of(*header);
}

NamedTensors read_llama2c(std::span<const std::byte> bytes, const std::string& name) {
  Cursor cursor(bytes, name);
  const auto read = read_header(cursor);
  if (!read) cursor.fail_here("the seven numbers of the header are no model of llama2.c's");
  const auto& h = *read;
  if (const auto wanted = kHeaderBytes + sizeof(float) * floats_of(h); bytes.size() != wanted)
    cursor.fail_here(fmt::format("its header asks for {} bytes, the file has {}", wanted, bytes.size()));
  const auto take = [&](std::vector<int64_t> shape) {
    auto tensor = torch::empty(shape);
    const auto from = cursor.take(tensor.nbytes());
    std::memcpy(tensor.mutable_data_ptr<float>(), from.data(), from.size());
    return tensor;
  };
  // Features 2i and 2i + 1 of a head turn together in the file, i and i + width / 2 in Hugging Face's model.
  const auto in_halves = [&](const Tensor& rows) {
    return rows.view({-1, h.width() / 2, 2, h.dim}).transpose(1, 2).reshape(rows.sizes());
  };
  NamedTensors out;
  out.source = name;
  const auto each_layer = [&](const Tensor& all, const char* what, bool turns = false) {
    for (int64_t i = 0; i < h.layers; ++i)
      out.add(fmt::format("model.layers.{}.{}.weight", i, what), turns ? in_halves(all[i]) : all[i]);
  };
  const auto kv = h.kv_heads * h.width();
  out.add("model.embed_tokens.weight", take({h.vocabulary, h.dim}));
  each_layer(take({h.layers, h.dim}), "input_layernorm");
  each_layer(take({h.layers, h.dim, h.dim}), "self_attn.q_proj", true);
  each_layer(take({h.layers, kv, h.dim}), "self_attn.k_proj", true);
  each_layer(take({h.layers, kv, h.dim}), "self_attn.v_proj");
  each_layer(take({h.layers, h.dim, h.dim}), "self_attn.o_proj");
  each_layer(take({h.layers, h.dim}), "post_attention_layernorm");
  each_layer(take({h.layers, h.hidden, h.dim}), "mlp.gate_proj");
  each_layer(take({h.layers, h.dim, h.hidden}), "mlp.down_proj");
  each_layer(take({h.layers, h.hidden, h.dim}), "mlp.up_proj");
  out.add("model.norm.weight", take({h.dim}));
  take({h.context, h.width()});  // tables of the rotation, which follow from the positions
  if (h.own_head) out.add("lm_head.weight", take({h.vocabulary, h.dim}));
  out.metadata["config"] = to_toml({{"task", "language"},
                                    {"model", Table{{"name", "llama"},
                                                    {"vocabulary", h.vocabulary},
                                                    {"context", h.context},
                                                    {"dim", h.dim},
                                                    {"depth", h.layers},
                                                    {"heads", h.heads},
                                                    {"kv_heads", h.kv_heads},
                                                    {"mlp", h.hidden},
                                                    {"tied", !h.own_head}}}});
  return out;
}

}  // namespace hadal
