// Bytes as text: base64 (RFC 4648).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

std::string to_base64(std::string_view bytes);
/// With or without the `=` at its end. None where the text is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace hadal
