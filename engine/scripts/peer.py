"""Times HF transformers on the same card and shape, where it is installed: decode at batch 1 and 32, prefill of 2,048."""

import json
import sys
import time

try:
    import torch
    from transformers import AutoModelForCausalLM, DeepseekV2Config
except ImportError:
    print("skipped: HF transformers beside, torch or transformers is not installed (3 cases)")
    sys.exit(0)


def main():
    if not torch.cuda.is_available():
        print("skipped: HF transformers beside, torch sees no GPU (3 cases)")
        return
    with open(sys.argv[1], encoding="utf-8") as file:
        config = DeepseekV2Config(**json.load(file))
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config).eval()
    ids = torch.randint(0, config.vocab_size, (32, 2048), device="cuda")

    def seconds(work):
        work()
        torch.cuda.synchronize()
        start = time.time()
        work()
        torch.cuda.synchronize()
        return time.time() - start

    with torch.inference_mode():
        print(f"HF transformers prefill of 2,048: {2048 / seconds(lambda: model(ids[:1])):.0f} tok/s")
        for batch in (1, 32):
            cache = model(ids[:batch, :1024], use_cache=True, logits_to_keep=1).past_key_values
            step = lambda: [model(ids[:batch, :1], past_key_values=cache, use_cache=True) for _ in range(16)]
            print(f"HF transformers decode, batch {batch}: {16 * batch / seconds(step):.0f} tok/s")


main()
