// XML from files that nobody vouches for, as far as label files need it: elements, text, entities. Attributes are
// checked and left out.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct XmlNode {
  std::string name, text;  // its own text, without blanks around it
  std::vector<XmlNode> children;
  int64_t line = 1;

  /// The first child of this name, or nullptr.
  const XmlNode* find(std::string_view child) const;
};

/// The root element. Throws FileError with the file's name and line: a tag that is never closed or closed by another
/// one, an unknown entity, a document type that declares entities, elements deeper than 64, text behind the root.
XmlNode parse_xml(std::string_view text, std::string_view name);

}  // namespace hadal
