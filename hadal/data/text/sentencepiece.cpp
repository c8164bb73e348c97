#include "hadal/data/text/sentencepiece.h"

#include "hadal/data/text/tokenizer_files.h"

namespace hadal {
namespace {

struct SentencePieceConfig {
  std::string path;
  Table files;
  static Fields<SentencePieceConfig> fields() {
    using C = SentencePieceConfig;
    return {{"path", &C::path, "the model (tokenizer.model, .spm); $DATA is HADAL_DATA", file_path()},
            {"files", &C::files, kFilesHelp}};
  }
  void validate() const {
    require(!path.empty() || !files.empty(), "tokenizer.path is not set: name a SentencePiece model");
  }
};

}  // namespace

void register_sentencepiece(TokenizerCatalog& catalog) {
  catalog.add("sentencepiece", "a SentencePiece model", SentencePieceConfig{},
              [](SentencePieceConfig config, std::string_view) {
                constexpr auto kModel = "tokenizer.model";
                const auto files = settled_files(config.files, config.path,
                                                 [&](const auto& path) { return read_one_file(path, kModel); });
                return parse_sentencepiece(files.need(kModel), files.name, write_config(config));
              });
}

}  // namespace hadal
