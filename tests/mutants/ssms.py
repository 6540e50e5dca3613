"""Plausible wrong answers to the exercises of 05_ssms, and the hint that each must get."""

from mutants.wrong import Wrong

SAFE, SHARE = "z.masked_fill(z == 0, 1.0)", "torch.where(z == 0, 1.0, torch.expm1(safe) / safe)"
HELD = "return torch.exp(z), dt * share * b"
SOLVED = "torch.linalg.solve(left, one + dt / 2 * A), torch.linalg.solve(left, dt * B)"
HALF = "torch.linalg.solve(left, one + dt / 2 * A)"
UPDATE, READ = "h @ A_bar.T + x_k[:, None] * B_bar", "y.append(h @ C)"
STACKED = "torch.stack(y, dim=1)"
LOOP = f"for x_k in x.unbind(1):\n        h = {UPDATE}\n        {READ}\n    return {STACKED}"
POWERS = "a_bar[..., None] ** torch.arange(length, device=a_bar.device)"
PAIRS = '2 * torch.einsum("wn,wnl->wl", c * b_bar, powers).real'
OF_X, OF_K = "torch.fft.rfft(x, n=2 * length, dim=1)", "torch.fft.rfft(K.T, n=2 * length, dim=0)"
BACK = "torch.fft.irfft(product, n=2 * length, dim=1)[:, :length]"
BOTH = "a2 * a1, a2 * u1 + u2"
WHILE, DOUBLE = "while distance < decay.shape[1]", "distance *= 2"
BELOW, LEGS = "torch.outer(B, B).tril(-1)", "return -(torch.outer(B, B).tril(-1) + torch.diag(n + 1)), B"
NEXT = "P.append(((2 * n + 1) * z * P[n] - n * P[n - 1]) / (n + 1))"
DESCRIBED = "(state * scale) @ torch.stack(P[:size])"
FADE, PUT = "torch.exp(dt[..., None] * A) * state", "(dt * x)[..., None] * B[:, None]"
READ_NEW = "return (state * C[:, None]).sum(-1), state"
BETWEEN = "total[..., :, None] - total[..., None, :]"
LEFT = "between.masked_fill(~past, -math.inf).exp()"
DECAYS, SCORES = "decay_matrix(log_decay.mT)", "(C @ B.mT)[:, None]"
WEIGHTED = 'torch.einsum("bhij,bjhp->bihp", weights, x)'
INSIDE, FADED = "ssd(x_q, log_q, B_q, C_q)", " + total.exp()[..., None] * read"
REST, CARRY = "(total[:, -1:] - total).exp()", "total[:, -1].exp()[..., None, None] * state + written"

WRONG = [
    Wrong("zoh", HELD, "return 1 + z, dt * b", "this is Euler's step"),
    Wrong("zoh", HELD, "return torch.exp(a), torch.expm1(a) / a * b", "dt is missing in the exponent"),
    Wrong("zoh", "return torch.exp(z)", "return torch.exp(-z)", "the sign in the exponent of a_bar"),
    Wrong("zoh", "torch.exp(z)", "torch.exp(a)", "dt is missing in the exponent of a_bar"),
    Wrong("zoh", "z = dt * a", "a = -a\n    z = dt * a", "the sign in the exponent is turned"),
    Wrong("zoh", "dt * share * b", "dt * b", "the input fades too while it is held"),
    Wrong("zoh", "dt * share * b", "dt * dt * share * b", "dt stands twice in b_bar"),
    Wrong("zoh", "dt * share * b", "share * b", "divide by a, not by dt a"),
    Wrong("zoh", "dt * share * b", "torch.exp(z) * dt * b", "does not fade for the whole step"),
    Wrong("zoh", "dt * share * b", "-dt * share * b", "the sign of b_bar is turned"),
    Wrong("zoh", "dt * share * b", "torch.expm1(z) * b", "b_bar lacks the division by a"),
    Wrong("zoh", "dt * share * b", "torch.exp(z) / a * b", "b_bar lacks the - 1"),
    Wrong("zoh", "dt * share * b", "dt * share", "b is missing in b_bar"),
    Wrong("zoh", HELD, "return dt * share * b, torch.exp(z)", "a_bar comes first"),
    Wrong("zoh", HELD, "return torch.exp(z)", "return both, a_bar and b_bar"),
    Wrong("zoh", HELD, "return torch.exp(z), torch.expm1(z) / a * b", "0 divided by 0 is NaN"),
    Wrong("zoh", "== 0, 1.0, torch", "== 0, 0.0, torch", "where a is 0 the input is not lost"),
    Wrong("zoh", SHARE, SHARE.replace("safe", "z"), "the gradient is NaN where a is 0"),
    Wrong("zoh", "torch.expm1(safe)", "(torch.exp(safe) - 1)", "has few digits left where z is near 0"),
    Wrong("zoh", HELD, "return torch.exp(z).real, (dt * share * b).real", "complex numbers have an imaginary part"),
    Wrong("bilinear", SOLVED, "one + dt * A, dt * B", "this is Euler's step"),
    Wrong(
        "bilinear",
        f"return {SOLVED}",
        "left = one - dt * A\n    return left.inverse(), left.inverse() @ (dt * B)",
        "after",
    ),
    Wrong("bilinear", "dt / 2 * A", "dt * A", "half of dt A stands on either side"),
    Wrong("bilinear", "dt / 2 * A", "-dt / 2 * A", "the sides are exchanged"),
    Wrong("bilinear", "torch.linalg.solve(left, dt * B)", "dt * B", "solve for B_bar as well"),
    Wrong("bilinear", "left, dt * B", "left, dt / 2 * B", "the input is not halved"),
    Wrong("bilinear", "left, dt * B", "left, B", "dt is missing in B_bar"),
    Wrong(
        "bilinear", "torch.linalg.solve(left, dt * B)", f"{HALF} @ (dt * B)", "one factor, the inverse of the left side"
    ),
    Wrong("bilinear", HALF, "(one + dt / 2 * A) / left", "do not divide number by number"),
    Wrong("bilinear", HALF, f"{HALF}.T", "nothing is transposed"),
    Wrong("bilinear", "left, one + dt / 2 * A", "left, one", "the right side is missing"),
    Wrong("bilinear", HALF, "torch.linalg.matrix_exp(dt * A)", "this is the exact step"),
    Wrong("bilinear", SOLVED, f"torch.linalg.solve(left, dt * B), {HALF}", "A_bar comes first"),
    Wrong("bilinear", SOLVED, HALF, "return both, A_bar and B_bar"),
    Wrong("recurrence", f"h = {UPDATE}\n        {READ}", f"{READ}\n        h = {UPDATE}", "y_0 must already see x_0"),
    Wrong("recurrence", UPDATE, "(h + x_k[:, None] * B_bar) @ A_bar.T", "the decay acts on its own input"),
    Wrong("recurrence", UPDATE, "x_k[:, None] * B_bar", "the state is not carried on"),
    Wrong("recurrence", UPDATE, "h + x_k[:, None] * B_bar", "A_bar is missing"),
    Wrong("recurrence", "A_bar.T", "A_bar", "A_bar transposed"),
    Wrong("recurrence", "h @ A_bar.T", "h * A_bar.diag()", "a product of matrices, not of numbers"),
    Wrong("recurrence", "h @ C", "h.sum(1)", "C is missing"),
    Wrong("recurrence", "x_k[:, None] * B_bar", "x_k[:, None]", "B_bar is missing"),
    Wrong(
        "recurrence",
        LOOP,
        LOOP.replace("x.unbind(1)", "x.flip(1).unbind(1)").replace("(y,", "(y[::-1],"),
        "runs backwards",
    ),
    Wrong("recurrence", STACKED, "torch.stack(y)", "time is axis 1 of the outputs"),
    Wrong("recurrence", STACKED, "y[-1]", "not only of the last"),
    Wrong("recurrence", READ, "y.append(h)", "return the outputs, not the states"),
    Wrong(
        "recurrence",
        LOOP,
        "h = h[:1]\n    for x_k in x.flatten():\n"
        "        h = h @ A_bar.T + x_k * B_bar\n        y.append((h @ C)[0])\n    return torch.stack(y).view(x.shape)",
        "a state of its own",
    ),
    Wrong("kernel", "2 * torch", "torch", "twice the real part"),
    Wrong("kernel", f"return {PAIRS}", f"return {PAIRS.removesuffix('.real')}", "the two conjugates are added"),
    Wrong("kernel", PAIRS, PAIRS.removesuffix(".real").removeprefix("2 * "), "take the real part"),
    Wrong("kernel", "c * b_bar, powers).real", "c.real * b_bar.real, powers.real)", "multiply first"),
    Wrong("kernel", "c * b_bar, powers).real", "(c * b_bar).real, powers.real)", "of c b_bar times the powers"),
    Wrong("kernel", "torch.arange(length, ", "torch.arange(1, length + 1, ", "the powers begin with 0"),
    Wrong("kernel", ".real", ".imag", "this is the imaginary part"),
    Wrong("kernel", ".real", ".abs()", "not the absolute value"),
    Wrong("kernel", "c * b_bar", "c", "b_bar is missing"),
    Wrong("kernel", "c * b_bar", "b_bar", "c is missing"),
    Wrong("kernel", "c * b_bar", "c.conj() * b_bar", "nothing is conjugated"),
    Wrong("kernel", POWERS, "torch.exp(a_bar[..., None] * torch.arange(length))", "take its powers, not exp(l a_bar)"),
    Wrong("kernel", f"return {PAIRS}", f"return {PAIRS}.flip(1)", "the newest comes first"),
    Wrong("kernel", '"wn,wnl->wl"', '"wn,wnl->nl"', "not over the channels"),
    Wrong("kernel", f"return {PAIRS}", f"return {PAIRS}.T", "time stands last"),
    Wrong("causal_convolution", "n=2 * length", "n=length", "time is a ring here"),
    Wrong("causal_convolution", "n=2 * length", "n=length + 1", "one zero is not enough"),
    Wrong("causal_convolution", OF_K, f"{OF_K}.conj()", "these outputs see the future"),
    Wrong("causal_convolution", "[:, :length]", "[:, length:]", "not the last"),
    Wrong("causal_convolution", f"return {BACK}", "return x * K.T", "multiply the transforms, not the sequences"),
    Wrong("causal_convolution", "K.T, ", "K.flip(0).T, ", "each channel has its own kernel"),
    Wrong("causal_convolution", f"return {BACK}", f"return {BACK}.mT", "time is axis 1"),
    Wrong("causal_convolution", "[:, :length]", "", "keep the first L places of the result"),
    Wrong("causal_convolution", "K.T, n=2 * length, dim=0", "K, n=2 * length, dim=1", "RuntimeError"),
    Wrong("causal_convolution", OF_K, "torch.fft.rfft(K, n=2 * length, dim=1)", "RuntimeError"),
    Wrong("combine", BOTH, "a2 * a1, a1 * u2 + u1", "the order is turned"),
    Wrong("combine", BOTH, "a2 * a1, u1 + u2", "fades in the later step"),
    Wrong("combine", BOTH, "a2 + a1, a2 * u1 + u2", "decays are multiplied, not added"),
    Wrong("combine", BOTH, "a2, a2 * u1 + u2", "not the later one alone"),
    Wrong("combine", BOTH, "a2 * a1, a2 * (u1 + u2)", "the decay acts on its own input"),
    Wrong("combine", BOTH, "a2 * a1, a2 * a1 * u1 + u2", "not in its own"),
    Wrong("combine", BOTH, "a2 * u1 + u2, a2 * a1", "the decay comes first"),
    Wrong("combine", BOTH, "a2 * u1 + u2", "return a pair"),
    Wrong("combine", DOUBLE, "break", "go on with distance 2, 4"),
    Wrong("combine", WHILE, "while 2 * distance < decay.shape[1]", "the last pass is missing"),
    Wrong("combine", DOUBLE, "distance += 1", "the distance doubles"),
    Wrong(
        "combine",
        "distance = 1\n",
        "product = decay.cumprod(1)\n    return product * (inputs / product).cumsum(1)\n    distance = 1\n",
        "divide nothing",
    ),
    Wrong(
        "combine",
        "distance = 1\n",
        "product = decay.cumprod(1) + 1e-6\n    return product * (inputs / product).cumsum(1)\n    distance = 1\n",
        "wrong",
    ),
    Wrong("combine", "distance = 1\n", "return inputs.cumsum(1)\n    distance = 1\n", "sums without any decay"),
    Wrong("combine", "return inputs\n", "return decay\n", "not the decays"),
    Wrong(
        "combine",
        "return inputs\n",
        "return torch.cat([0 * inputs[:, :1], inputs[:, :-1]], 1)\n",
        "this is one step late",
    ),
    Wrong(
        "combine",
        "distance = 1\n",
        "h, found = 0, []\n    for a, u in zip(decay.flip(1).unbind(1), inputs.flip(1).unbind(1)):\n"
        "        h = a * h + u\n        found.insert(0, h)\n    return torch.stack(found, 1)\n    distance = 1\n",
        "time runs backwards",
    ),
    Wrong(
        "combine",
        "earlier = decay[:, :-distance], inputs[:, :-distance]\n"
        "        merged = combine(earlier, (decay[:, distance:], inputs[:, distance:]))\n"
        "        first = decay[:, :distance], inputs[:, :distance]\n"
        "        decay, inputs = (torch.cat(parts, dim=1) for parts in zip(first, merged))",
        "earlier = decay.roll(distance, 1), inputs.roll(distance, 1)\n"
        "        decay, inputs = combine(earlier, (decay, inputs))",
        "the past is no ring",
    ),
    Wrong(
        "combine",
        "distance = 1\n",
        "step, found = (torch.ones_like(decay[:, 0]), torch.zeros_like(inputs[:, 0])), []\n"
        "    for pair in zip(decay.unbind(1), inputs.unbind(1)):\n"
        "        step = combine(step, pair)\n        found.append(step[1])\n"
        "    return torch.stack(found, 1)\n    distance = 1\n",
        "merge all places of a pass at once",
    ),
    Wrong("legs", "return -(", "return (", "the state must fade"),
    Wrong("legs", BELOW, f"{BELOW}.T", "the matrix is turned over"),
    Wrong("legs", LEGS, "return -torch.outer(B, B).tril(), B", "the diagonal is n + 1, not 2 n + 1"),
    Wrong("legs", "torch.diag(n + 1)", "torch.diag(n)", "n counts from 0"),
    Wrong("legs", "+ torch.diag(n + 1)", "- torch.diag(n + 1)", "the diagonal has a minus as well"),
    Wrong("legs", " + torch.diag(n + 1)", "", "the diagonal is missing"),
    Wrong("legs", BELOW, "(torch.outer(B, B) - torch.diag(B * B))", "above the diagonal there are zeros"),
    Wrong("legs", "torch.sqrt(2 * n + 1)", "2 * n + 1", "take the roots"),
    Wrong("legs", "torch.diag(n + 1)), B", "torch.diag(n + 1)), B * B", "B is the root of 2 n + 1"),
    Wrong("legs", "torch.diag(n + 1)), B", "torch.diag(n + 1)), torch.ones(size)", "not 1"),
    Wrong("legs", "torch.diag(n + 1)), B", "torch.diag(n + 1)), -B", "the minus belongs to A only"),
    Wrong("legs", LEGS, f"A, B = {LEGS.removeprefix('return ')}\n    return B, A", "A comes first"),
    Wrong("legs", DESCRIBED, "state @ torch.stack(P[:size])", "the factor sqrt(2 n + 1) is missing"),
    Wrong("legs", DESCRIBED, "(state * scale**2) @ torch.stack(P[:size])", "the factor is the root"),
    Wrong("legs", DESCRIBED, "(state / scale) @ torch.stack(P[:size])", "multiply by the root"),
    Wrong("legs", "2 * places - 1", "places", "their argument is 2 s - 1"),
    Wrong("legs", "2 * places - 1", "1 - 2 * places", "this runs backwards in time"),
    Wrong("legs", NEXT, "P.append(z * P[n])", "these are powers of z"),
    Wrong("legs", NEXT, "P.append(2 * z * P[n] - P[n - 1])", "these are other polynomials"),
    Wrong("legs", f"return {DESCRIBED}", f"return ({DESCRIBED}).mT", "places last"),
    Wrong("legs", "P[:size]", "P[:-1]", "RuntimeError"),
    Wrong("selective_step", "dt[..., None] * A", "A", "dt is missing in the decay"),
    Wrong("selective_step", "(dt * x)", "x", "dt is missing in the input"),
    Wrong("selective_step", f"{FADE} + {PUT}", "torch.exp(A) * state + x[..., None] * B[:, None]", "in the decay and"),
    Wrong("selective_step", "(dt * x)", "(dt * dt * x)", "dt stands twice"),
    Wrong("selective_step", "dt[..., None] * A", "-dt[..., None] * A", "A is below 0 already"),
    Wrong("selective_step", "torch.exp(dt[..., None] * A)", "(1 + dt[..., None] * A)", "not 1 + dt A"),
    Wrong("selective_step", "(dt * x)[..., None]", "torch.expm1(dt[..., None] * A) / A * x[..., None]", "exact hold"),
    Wrong(
        "selective_step", f"{FADE} + {PUT}", f"torch.exp(dt[..., None] * A) * (state + {PUT})", "not on its own input"
    ),
    Wrong("selective_step", FADE, "state", "the old state is not faded"),
    Wrong("selective_step", f"{FADE} + ", "", "the old state is lost"),
    Wrong("selective_step", READ_NEW, "return y, state", "NameError"),
    Wrong(
        "selective_step",
        f"state = {FADE} + {PUT}\n    {READ_NEW}",
        f"y = (state * C[:, None]).sum(-1)\n    return y, {FADE} + {PUT}",
        "not from the old one",
    ),
    Wrong("selective_step", f"state = {FADE}", f"B, C = C, B\n    state = {FADE}", "they have changed places"),
    Wrong("selective_step", "(state * C[:, None]).sum(-1)", "state.sum(-1)", "C is missing"),
    Wrong("selective_step", " * B[:, None]", "", "B is missing"),
    Wrong("selective_step", "* B[:, None]", "* B", "B belongs to a sequence and a state"),
    Wrong("selective_step", "* C[:, None]", "* C", "C belongs to a sequence and a state"),
    Wrong("selective_step", "dt[..., None] * A", "dt[:, None] * A", "dt belongs to a sequence and a channel"),
    Wrong("selective_step", "* A)", "* A[:, None])", "A belongs to a channel and a state"),
    Wrong("selective_step", "sum(-1)", "sum(1)", "not over the channels"),
    Wrong("selective_step", READ_NEW, "return state, (state * C[:, None]).sum(-1)", "y comes first"),
    Wrong("selective_step", READ_NEW, "return (state * C[:, None]).sum(-1)", "return both"),
    Wrong(
        "decay_matrix", BETWEEN, f"{BETWEEN} + log_decay[..., None, :]", "the decay of place j itself does not count"
    ),
    Wrong(
        "decay_matrix",
        BETWEEN,
        "(total - log_decay)[..., :, None] - total[..., None, :] + torch.diag_embed(log_decay)",
        "the decay of the place i where one reads counts too",
    ),
    Wrong("decay_matrix", f"return {LEFT}", f"return {LEFT}.mT", "the matrix is turned over"),
    Wrong("decay_matrix", LEFT, "between.exp()", "above the diagonal there are zeros"),
    Wrong("decay_matrix", "-math.inf", "0.0", "not to 0"),
    Wrong("decay_matrix", BETWEEN, "total[..., None, :] - total[..., :, None]", "the sign is turned"),
    Wrong(
        "decay_matrix",
        BETWEEN,
        "log_decay[..., None] * (torch.arange(total.shape[-1])[:, None] - torch.arange(total.shape[-1]))",
        "to the power of the distance",
    ),
    Wrong("decay_matrix", BETWEEN, "log_decay[..., None] * (1 - torch.eye(total.shape[-1]))", "not only the last one"),
    Wrong("decay_matrix", ".exp()", "", "take the exponential"),
    Wrong("decay_matrix", LEFT, "torch.where(past, between, 0.0)", "with zeros above the diagonal"),
    Wrong("decay_matrix", BETWEEN, "total[..., None].expand(*total.shape, total.shape[-1])", "since the beginning"),
    Wrong("decay_matrix", ".tril()", ".tril(-1)", "the diagonal is 1"),
    Wrong("decay_matrix", LEFT, "between.exp() * past", "infinity times 0 is NaN"),
    Wrong("decay_matrix", LEFT, "between.exp().masked_fill(~past, 0.0)", "Mask before the exponential, not after it"),
    Wrong("decay_matrix", LEFT, "between.exp().tril()", "the gradient is NaN"),
    Wrong(
        "decay_matrix",
        f"return {LEFT}",
        "product = log_decay.exp().cumprod(-1)\n    return (product[..., None] / product[..., None, :]).tril()",
        "take differences of sums of logarithms",
    ),
    Wrong("ssd", SCORES, "(B @ C.mT)[:, None]", "B writes and C reads"),
    Wrong("ssd", f"{DECAYS} *", "log_decay.new_ones(x.shape[1], x.shape[1]).tril() *", "the decay is missing"),
    Wrong("ssd", f"{DECAYS} *", "log_decay.mT.new_ones(1, x.shape[2], 1, 1) *", "places see the future"),
    Wrong(
        "ssd",
        f"{DECAYS} * {SCORES}",
        "(C @ B.mT).masked_fill(~torch.ones(2 * [x.shape[1]], dtype=torch.bool).tril(), -math.inf).softmax(-1)"
        "[:, None].expand(-1, x.shape[2], -1, -1)",
        "there is no softmax here",
    ),
    Wrong(
        "ssd",
        SCORES,
        "(C @ B.mT).masked_fill(~torch.ones(2 * [x.shape[1]], dtype=torch.bool).tril(), -math.inf)"
        ".softmax(-1)[:, None]",
        "taken as they are",
    ),
    Wrong("ssd", SCORES, f"{SCORES} / math.sqrt(B.shape[-1])", "divided by the root of N"),
    Wrong(
        "ssd",
        f"return {WEIGHTED}",
        f"weights = weights / weights.sum(-1, keepdim=True)\n    return {WEIGHTED}",
        "sum to 1",
    ),
    Wrong("ssd", "bhij,bjhp", "bhji,bjhp", "the weights are turned over"),
    Wrong("ssd", f" * {SCORES}", "", "C and B are missing"),
    Wrong("ssd", DECAYS, "decay_matrix(log_decay.mean(2, keepdim=True).mT)", "not the mean of all"),
    Wrong("ssd", DECAYS, "decay_matrix(log_decay.mT)[:, :1].expand(-1, x.shape[2], -1, -1)", "of the first for all"),
    Wrong("ssd", "log_decay.mT", "log_decay", "your decay_matrix wants it last"),
    Wrong("ssd", "->bihp", "->bhip", "heads and places of the result have changed places"),
    Wrong("ssd", DECAYS, f"{DECAYS}.detach()", "wrong"),
    Wrong("chunked", FADED, "", "chunks know nothing of each other"),
    Wrong("chunked", "y = []", "y, state = [], 0 * state", "the state that is given is ignored"),
    Wrong(
        "chunked",
        'read = torch.einsum("bhpn,bqn->bqhp", state, C_q)',
        'first = first if y else state\n        read = torch.einsum("bhpn,bqn->bqhp", first, C_q)',
        "every chunk begins with the state that was given",
    ),
    Wrong(
        "chunked",
        f"y.append({INSIDE}{FADED})",
        f"y.append({INSIDE} if y else {INSIDE}{FADED})",
        "only the first chunk reads a carry",
    ),
    Wrong("chunked", " + total.exp()[..., None] * read", " + read", "the carry has faded when it is read"),
    Wrong(
        "chunked", "total.exp()[..., None] * read", "(total - log_q).exp()[..., None] * read", "by its decay already"
    ),
    Wrong("chunked", CARRY, "state + written", "the old carry fades over the whole chunk"),
    Wrong("chunked", CARRY, "written", "the old carry is lost"),
    Wrong("chunked", "left[..., None] * x_q", "x_q", "fades until the end of the chunk"),
    Wrong("chunked", REST, "(total[:, -1:] - total + log_q).exp()", "does not fade by its own decay"),
    Wrong("chunked", f"state = {CARRY}", "pass", "and it is returned"),
    Wrong(
        "chunked",
        f"state = {CARRY}\n    return torch.cat(y, dim=1), state",
        f"last, state = state, {CARRY}\n    return torch.cat(y, dim=1), last",
        "not before it",
    ),
    Wrong("chunked", "return torch.cat(y, dim=1), state", "return state, torch.cat(y, dim=1)", "y comes first"),
    Wrong("chunked", "return torch.cat(y, dim=1), state", "return torch.cat(y, dim=1)", "return both, y and the carry"),
    Wrong("chunked", "log_q.cumsum(1)", "log_q.cumsum(-1)", "wrong"),
    Wrong("chunked", f"state = {CARRY}", f"state = ({CARRY}).detach()", "no gradient"),
]
