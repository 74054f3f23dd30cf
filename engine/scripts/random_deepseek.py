"""Writes a GGUF file of random weights in DeepSeek's shape, to measure speed where no such model is at hand.

    python3 -m venv v && v/bin/pip install gguf
    v/bin/python engine/scripts/random_deepseek.py --as Q8_0 --as Q4_0 --as BF16 --folder models

The default shape has 1.14 B parameters, of which 226 M are multiplied per token: 27 layers, hidden 768, 6 heads, latent
512 + 64, 64 experts top-6 + 2 shared of width 256, vocabulary 32,000. Weights are normal with a spread that keeps a hidden
state's size, the same for every format but for its rounding; the router spreads tokens over all experts. The vocabulary has
made-up words, so the file runs wherever a real one does, and says nothing.
"""

import argparse
import pathlib

import gguf
import numpy

SHAPE = {
    "layers": 27, "hidden": 768, "heads": 6, "latent": 512, "rotary": 64, "nope": 128, "value": 128, "experts": 64,
    "chosen": 6, "shared": 2, "width": 256, "dense": 1, "feed_forward": 2048, "vocabulary": 32000, "context": 4096,
}


def tensors(shape):
    """Name and size of each matrix, rows before columns, and of each norm."""
    hidden, heads = shape["hidden"], shape["heads"]
    yield "token_embd.weight", (shape["vocabulary"], hidden)
    yield "output_norm.weight", (hidden,)
    yield "output.weight", (shape["vocabulary"], hidden)
    for layer in range(shape["layers"]):
        at = f"blk.{layer}."
        yield at + "attn_norm.weight", (hidden,)
        yield at + "ffn_norm.weight", (hidden,)
        yield at + "attn_q.weight", (heads * (shape["nope"] + shape["rotary"]), hidden)
        yield at + "attn_kv_a_mqa.weight", (shape["latent"] + shape["rotary"], hidden)
        yield at + "attn_kv_a_norm.weight", (shape["latent"],)
        yield at + "attn_kv_b.weight", (heads * (shape["nope"] + shape["value"]), shape["latent"])
        yield at + "attn_output.weight", (hidden, heads * shape["value"])
        if layer < shape["dense"]:
            yield from gated(at, "", (), shape["feed_forward"], hidden)
            continue
        yield at + "ffn_gate_inp.weight", (shape["experts"], hidden)
        yield from gated(at, "_exps", (shape["experts"],), shape["width"], hidden)
        yield from gated(at, "_shexp", (), shape["shared"] * shape["width"], hidden)


def gated(at, kind, experts, width, hidden):
    yield f"{at}ffn_gate{kind}.weight", (*experts, width, hidden)
    yield f"{at}ffn_up{kind}.weight", (*experts, width, hidden)
    yield f"{at}ffn_down{kind}.weight", (*experts, hidden, width)


def describe(writer, shape):
    """The model's description and a vocabulary of bytes and made-up words."""
    writer.add_block_count(shape["layers"])
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["hidden"])
    writer.add_feed_forward_length(shape["feed_forward"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["heads"])
    writer.add_kv_lora_rank(shape["latent"])
    writer.add_key_length(shape["nope"] + shape["rotary"])
    writer.add_value_length(shape["value"])
    writer.add_rope_dimension_count(shape["rotary"])
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape["vocabulary"])
    writer.add_leading_dense_block_count(shape["dense"])
    writer.add_expert_count(shape["experts"])
    writer.add_expert_used_count(shape["chosen"])
    writer.add_expert_shared_count(shape["shared"])
    writer.add_expert_feed_forward_length(shape["width"])
    writer.add_expert_weights_scale(1.0)
    words = ["<s>", "</s>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    words += [f"\u2581w{number}" for number in range(shape["vocabulary"] - len(words))]
    kinds = [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.UNKNOWN] + [gguf.TokenType.BYTE] * 256
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([-float(number) for number in range(len(words))])
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (len(words) - len(kinds)))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(2)


def weights(random, name, size):
    if len(size) == 1:
        return numpy.ones(size, dtype=numpy.float32)
    # Embeddings are of size one; a matrix keeps the size of what it is multiplied with.
    spread = 1.0 if name == "token_embd.weight" else size[-1] ** -0.5
    return random.standard_normal(size, dtype=numpy.float32) * numpy.float32(spread)


def write(path, kind, shape, seed):
    writer = gguf.GGUFWriter(path, "deepseek2", use_temp_file=True)
    describe(writer, shape)
    random = numpy.random.default_rng(seed)
    for name, size in tensors(shape):
        made = weights(random, name, size)
        # Norms and the router stay exact, as published files keep them.
        exact = len(size) == 1 or name.endswith("ffn_gate_inp.weight")
        chosen = gguf.GGMLQuantizationType.F32 if exact else kind
        writer.add_tensor(name, gguf.quants.quantize(made, chosen), raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as", dest="kinds", action="append", choices=["BF16", "F16", "Q8_0", "Q4_0", "Q4_1"])
    parser.add_argument("--folder", default=".")
    parser.add_argument("--seed", type=int, default=1)
    for name, value in SHAPE.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    wanted = vars(parser.parse_args())
    shape = {name: wanted[name] for name in SHAPE}
    total = sum(int(numpy.prod(size)) for _, size in tensors(shape))
    for kind in wanted["kinds"] or ["Q8_0"]:
        path = pathlib.Path(wanted["folder"]) / f"random-deepseek.{kind}.gguf"
        write(path, gguf.GGMLQuantizationType[kind], shape, wanted["seed"])
        print(f"{path}: {total / 1e9:.2f} B parameters, {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
