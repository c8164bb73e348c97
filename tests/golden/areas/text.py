"""Text: byte-pair encodings by Hugging Face's tokenizers, BLEU and chrF by sacreBLEU."""
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent.parent / "text"

CORPUS = [
    "The quick brown fox jumps over the lazy dog. The dog sleeps; the fox doesn't.",
    "It's been 24 years since we've met, and they'll come at 10:30 tomorrow, won't they?",
    "Der schnelle braune Fuchs springt über den faulen Hund. Größe, Straße, schön.",
    "for (int i = 0; i < 10; ++i) {\n    total += values[i];\n}\n",
    "Ein Mann mit einem Hund läuft über die Straße; a man with a dog walks across the street.",
    "the them then there these they this that than thank",
] * 3

TEXTS = [
    "", " ", "  ", "\n", "a", "The quick brown fox", "  leading and trailing  ", "tabs\tand\r\nnew lines\n\n  x",
    "don't DON'T we'll they're I've 'tis ''s it's", "über Größe naïve façade", "日本語のテキスト、そして記号。", "emoji 🙂👍🏽 end",
    "1234567890 3.14 x2 ½ ² Ⅷ", "\u00a0nbsp\u2003em\u3000wide", "e\u0301 combining cafe\u0301", "!!! ...?!  --- @@ #hash $5",
    "<s>special</s> <pad><pad> end <mask> x", "the<sep>the  <sep>  them", "AnÜberword unDERSCORE_x", "\u200bzero\u200dwidth",
    "  multiple   spaces    between", "x" * 200, "ab" * 150 + "!" * 40,
]


def case(name, tokenizer):
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    return {"name": name, "tokenizer": tokenizer.to_str(), "rows": rows}


def tokenizers():
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    bytes_ = Tokenizer(models.BPE())
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    bytes_.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    trained = json.loads(bytes_.to_str())["model"]

    specials = Tokenizer.from_str(bytes_.to_str())
    specials.add_special_tokens(["<s>", "</s>", "<pad>", AddedToken("<mask>", lstrip=True, special=True)])
    specials.add_tokens([AddedToken("<sep>", rstrip=True), AddedToken("them", single_word=True)])

    # As Llama 3 does: a pattern of its own, whole pieces first, composed characters.
    llama3 = Tokenizer.from_str(bytes_.to_str())
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
               r"\s*[\r\n]+|\s+(?!\S)|\s+")
    llama3.normalizer = normalizers.NFC()
    llama3.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    whole = json.loads(llama3.to_str())
    whole["model"]["ignore_merges"] = True
    llama3 = Tokenizer.from_str(json.dumps(whole))

    # As Llama 2 does: characters with a mark for spaces, bytes where there is no character.
    llama2 = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    llama2.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama2.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    llama2.train_from_iterator([text.replace("\n", " ") for text in CORPUS], trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)],
        show_progress=False, max_token_length=8))
    whole = json.loads(llama2.to_str())
    whole["added_tokens"] = whole["added_tokens"][:3]
    llama2 = Tokenizer.from_str(json.dumps(whole))

    metaspace = Tokenizer.from_str(llama2.to_str())
    metaspace.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    metaspace.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Digits(individual_digits=True)])
    metaspace.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])

    splits = Tokenizer.from_str(bytes_.to_str())
    splits.normalizer = normalizers.Strip()
    splits.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split("the", "merged_with_previous"), pre_tokenizers.Split(Regex(r"\d+"), "merged_with_next"),
        pre_tokenizers.Split(Regex(r"\s+"), "contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=True)])

    cases = [case("bytes", bytes_), case("specials", specials), case("llama3", llama3), case("llama2", llama2),
             case("metaspace", metaspace), case("splits", splits)]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in trained["merges"]]
    return {"cases": cases, "corpus": CORPUS, "merges": merges}


SCORED = [
    ("Zwei Männer stehen am Herd und bereiten Essen zu.", "Zwei Männer stehen am Herd und kochen."),
    ("A man, aged 24.5, ran 3-4 miles (in 1990-91)!", "A man, aged 24.5 ran 3 - 4 miles, in 1990-91."),
    ("He said: &quot;yes&quot; &amp; left... <skipped>end-\nless", "He said: \"yes\" & left. endless"),
    ("", "Ein leerer Satz."), ("kurz", ""), ("the cat", "the cat"), ("THE Cat Sat On The Mat", "the cat sat on the mat"),
    ("Straße\u00a0und Größe\u2003hier.", "Strasse und GRÖẞE hier ."), ("..5,a,.b", ". .5 , a, . b"),
    # Ends in bytes that are spaces by themselves.
    ("il est assis là", "il est assis là ."), ("я знаю их всех", "я знаю их всех ."), ("a b c voilà", "a b c voilÅ"),
]


def scores():
    import sacrebleu
    ours, theirs = [pair[0] for pair in SCORED], [[pair[1] for pair in SCORED]]
    tokenize = sacrebleu.metrics.BLEU().tokenizer
    single = [{"bleu": sacrebleu.corpus_bleu([a], [[b]]).score, "chrf": sacrebleu.corpus_chrf([a], [[b]]).score,
               "words": tokenize(a.rstrip()).split()} for a, b in SCORED]
    return {"pairs": SCORED, "single": single, "bleu": sacrebleu.corpus_bleu(ours, theirs).score,
            "bleu_lower": sacrebleu.corpus_bleu(ours, theirs, lowercase=True).score,
            "chrf": sacrebleu.corpus_chrf(ours, theirs).score}


def make(save):
    FOLDER.mkdir(exist_ok=True)
    for name, content in (("tokenizers", tokenizers()), ("translation_scores", scores())):
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n")
        print(f"text/{path.name}: {path.stat().st_size / 1024:.0f} KiB")
