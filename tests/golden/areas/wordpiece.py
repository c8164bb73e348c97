"""WordPiece: vocabularies learned by Hugging Face's tokenizers, and the ids and texts they make of 60 texts in many scripts."""
import json
import pathlib

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).parent.parent / "text"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

TEXTS = [
    "", " ", "\n\t ", "a", "The quick brown fox jumps over the lazy dog.", "It's won't they've I'm (don't) \"do not\" you're",
    "Ein Mädchen läuft über die Straße; größer, schöner, ÄRGER!", "Le garçon a mangé des crêpes à l'été: déjà vu, naïve, ŒUVRE",
    "El niño añade ¿qué? ¡Sí! corazón, ÁRBOL", "Příliš žluťoučký kůň úpěl ďábelské ódy", "Zażółć gęślą jaźń, ŁÓDŹ", "İstanbul'da ışık, IĞDIR",
    "Tiếng Việt có dấu thanh, Đường phố", "Съешь же ещё этих мягких булок, Йод и ЁЖ", "Україна має ґанок, Їжак", "Ξεσκεπάζω την ψυχοφθόρα σας, ΆΝΘΡΩΠΟΣ ὀξεῖα",
    "مرحبا بالعالم، كيف حالُكَ؟ ١٢٣", "سلام دنیا؛ چطوری", "שָׁלוֹם עולם, מה שלומך? ״כן״", "नमस्ते दुनिया, आप कैसे हैं। हिन्दी क़लम", "বাংলা ভাষা আমার গর্ব।",
    "தமிழ் மொழி இனிமை", "తెలుగు భాష", "สวัสดีชาวโลก สบายดีไหม น้ำ", "ສະບາຍດີ ນ້ຳ", "မြန်မာစာ", "ខ្ញុំស្រលាញ់", "བོད་སྐད།", "გამარჯობა მსოფლიო", "Բարեւ աշխարհ։",
    "ሰላም ለዓለም፡ እንዴት ነህ", "你好，世界！我喜欢深海。", "漢字𠀀𪜀𫝀𫠠𫤠㐀豈丽mixed中text the𫠠the the𫤠the", "こんにちは世界、ガギグゲゴ パピプ ｶﾞｷﾞ", "東京タワーへ行きました。", "안녕하세요 세계, 반갑습니다!", "가각힣 ᄀᆞᆷ",
    "emoji 🙂👍🏽 👩‍👩‍👧 🇩🇪 ❤️ end", "zero\u200bwidth\u200djoiner\u2060x \ufeffbom soft\u00adhyphen", "nul\x00 bell\x07 esc\x1b[0m del\x7f c1\x85\x9f vt\x0bff\x0c",
    "\ufffd replaced \ue000 private \U000f0000 \U000e0041tag", "nbsp\u00a0em\u2003ideo\u3000line\u2028para\u2029ogham\u1680x\r\ny",
    "cafe\u0301 e\u0323\u0302 \u0301alone A\u030a n\u0303 \u212b", "½ ² Ⅷ ﬁ ﬂ ① ℌ ™ º ª ￥ ａｂｃ", "… – — ‘x’ “y” «z» „w“ · • § ¶ † ¡ € £ ¥ © ®", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "1234567890 3.14 1,000 x2 v1.0-rc3 50% #tag @me a_b a-b", "x" * 99, "x" * 100, "x" * 101, "abc" * 30 + " short " + "é" * 100 + " " + "é" * 101,
    "[CLS] a text [SEP] with [MASK] and [UNK][PAD] [mask] [Cls", "the[MASK]the  [SEP]  them", "##ing walk##ing ## #", "ing walking walked unwalkable Walks",
    "newer marks: \u061d\u2e52\u166d\u1734 \u0897 \U000111c9", "math 𝐀𝒷ℂ 𝟙 ∑∫√ ≠ →", "Ǆ ǅ ǆ ẞ ß ſ Σ ς K Å", "https://example.org/a?b=c&d=e_f mail@example.org", "ΌΣΟΣ ΟΔΥΣΣΕΎΣ",
    "the Dolphins swim\n\nbelow\tthe   ships", "tail \u0345\u0301\u0300 \u1cf7\u0903 ो",
]
CORPUS = (TEXTS + ["walk walks walked walking walker", "play plays played playing player", "the them then there these they", "deep deeper deepest sea seas"]) * 2


def trained(cased, size, prefix="##"):
    made = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix))
    made.normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=not cased)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # Few single characters: many of the texts' must be unknown.
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False,
                                                               continuing_subword_prefix=prefix, limit_alphabet=330))
    made.decoder = decoders.WordPiece(prefix=prefix)
    ids = [(token, made.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids[::-1])
    return made


def case(name, tokenizer):
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append([ids, tokenizer.decode(ids, skip_special_tokens=False)])
    return {"name": name, "tokenizer": tokenizer.to_str(), "rows": rows}


def tokenizers():
    uncased, cased = trained(False, 800), trained(True, 800)

    accents = Tokenizer.from_str(uncased.to_str())
    accents.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False, handle_chinese_chars=False)
    accents.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    accents.add_tokens([AddedToken("dolphins", normalized=True, single_word=True), AddedToken("walk", lstrip=True)])

    raw = Tokenizer.from_str(cased.to_str())
    raw.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.decoder = decoders.WordPiece(cleanup=False)

    steps = trained(False, 700, "@")
    steps.model.max_input_chars_per_word = 9
    steps.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.NFKC()])
    steps.pre_tokenizer = pre_tokenizers.Whitespace()
    return [case("uncased", uncased), case("cased", cased), case("accents", accents), case("raw", raw), case("steps", steps)]


def make(save):
    path = FOLDER / "wordpiece.json"
    path.write_text(json.dumps({"texts": TEXTS, "cases": tokenizers()}, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"text/{path.name}: {path.stat().st_size / 1024:.0f} KiB")
