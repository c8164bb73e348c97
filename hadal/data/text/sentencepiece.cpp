#include "hadal/data/text/sentencepiece.h"

#include "hadal/data/path.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

struct SentencePieceConfig {
  std::string path;
  static Fields<SentencePieceConfig> fields() {
    return {
        {"path", &SentencePieceConfig::path, "the model (tokenizer.model, .spm); $DATA is HADAL_DATA", file_path()}};
  }
  void validate() const { require(!path.empty(), "tokenizer.path is not set: name a SentencePiece model"); }
};

}  // namespace

void register_sentencepiece(TokenizerCatalog& catalog) {
  catalog.add("sentencepiece", "a SentencePiece model", SentencePieceConfig{},
              [](const SentencePieceConfig& config, std::string_view) {
                const auto path = data_path(config.path);
                return parse_sentencepiece(read_file(path), path.string(), write_config(config));
              });
}

}  // namespace hadal
