#include "hadal/io/xml.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Xml, ReadsElementsTextAndEntities) {
  const auto root = parse_xml(
      "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!DOCTYPE annotation>\n<annotation verified='yes'>\n"
      "  <name> R&amp;B &#x2764;<!-- a < b --> <![CDATA[<raw>]]></name>\n  <empty/>\n  <box><xmin>1.5</xmin></box>\n"
      "</annotation>\n<!-- end -->\n",
      "f.xml");
  EXPECT_EQ(root.name, "annotation");
  ASSERT_EQ(root.children.size(), 3u);
  EXPECT_EQ(root.find("name")->text, "R&B \xe2\x9d\xa4 <raw>");
  EXPECT_EQ(root.find("name")->line, 4);
  EXPECT_EQ(root.find("box")->find("xmin")->text, "1.5");
  EXPECT_EQ(root.find("box")->line, 6);
  EXPECT_EQ(root.find("nothing"), nullptr);
}

TEST(Xml, MistakesSayTheirLine) {
  EXPECT_ERROR(parse_xml("", "f.xml"), "f.xml line 1: holds no element");
  EXPECT_ERROR(parse_xml("<a>\n<b>\n</a>", "f.xml"), "f.xml line 3: </a> closes <b> of line 2");
  EXPECT_ERROR(parse_xml("<a>\n<b>", "f.xml"), "<b> of line 2 is never closed");
  EXPECT_ERROR(parse_xml("<a></a>\n<b/>", "f.xml"), "line 2: something stands behind the root element");
  EXPECT_ERROR(parse_xml("<a>&lol;</a>", "f.xml"), "unknown entity &lol;");
  EXPECT_ERROR(parse_xml("<a>&#xD800;</a>", "f.xml"), "no character has this number");
  EXPECT_ERROR(parse_xml("<a>R & B</a>", "f.xml"), "write &amp;");
  EXPECT_ERROR(parse_xml("<a x=1/>", "f.xml"), "an attribute's value wants quotes");
  EXPECT_ERROR(parse_xml("<!DOCTYPE a [<!ENTITY x \"y\">]><a/>", "f.xml"), "with declarations of its own");
  EXPECT_ERROR(parse_xml("<a>\xff</a>", "f.xml"), "not UTF-8");
  std::string deep;
  for (int i = 0; i < 70; ++i) deep += "<a>";
  EXPECT_ERROR(parse_xml(deep, "f.xml"), "deeper than 64");
}
