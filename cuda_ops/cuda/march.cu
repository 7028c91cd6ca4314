// Ray marching through a table of projected planes on NVIDIA GPUs (spec 07 sections 2 and 4.1). No includes: NVRTC has no headers.
//
// One warp marches one ray, up to WARPS rays a block. Units (hidden units, colours) are spread over the 32 lanes; what is done once per depth
// has one depth per lane, 32 at a time. Every exchange of shared memory between lanes is preceded by __syncwarp.
//
// Hidden units are in base 2: log2(1 + 2^x), their weights scaled to match (PackedDecoder).
//
// cuda_ops/cuda/launch.py puts this text behind LOG2_1P_SERIES, head.h and table.h, and defines EARLY and LATE (hidden units, multiples of 32),
// VARYING (colours that vary, a multiple of 32), STACKED (whether planes have depth) and the sizes of shared memory.

#define LOG2_E 1.44269504f
#define UNSEEN -1e30f       // density of depths behind all that shows
#define UNITS (EARLY + LATE)

// Densities of up to 32 samples, one per lane; `wanted` says which are asked for.
__device__ inline float densities(const Head& head, const Ray& ray, float depth, bool wanted, int lane, const float* to_density) {
    const Place own = locate(head, ray, depth);
    float result = UNSEEN;
    for (int sample = 0; sample < 32; sample++) {
        if (!__shfl_sync(EVERY, (int)wanted, sample)) continue;
        float hidden[EARLY / 32];
        look_up<EARLY>(head, head.early, place_of(head, own, sample), lane, hidden);
        float product = 0.0f;
        #pragma unroll
        for (int v = 0; v < EARLY / 32; v++) product += hidden[v] * to_density[v];
        product = warp_sum(product);
        if (lane == sample) result = product + head.density_bias;
    }
    return result;
}

// Weights of 32 intervals, one per lane, of which the last one is `passing` of the light's way in; updates passing.
__device__ inline float weights(float alpha, int lane, float& passing) {
    float left = 1.0f - alpha + 1e-10f;
    for (int step = 1; step < 32; step *= 2) {
        const float other = __shfl_up_sync(EVERY, left, step);
        if (lane >= step) left *= other;
    }
    const float before = __shfl_up_sync(EVERY, left, 1);
    const float weight = alpha * passing * (lane ? before : 1.0f);
    passing *= __shfl_sync(EVERY, left, 31);
    return weight;
}

__device__ inline float opaqueness(float nearer, float farther, float density_nearer, float density_farther) {
    const float density = softplus_2(((density_nearer + density_farther) * 0.5f - 1.0f) * LOG2_E);
    return 1.0f - exp2f(density * (nearer - farther));
}

static_assert(ROWS_OF_ALL == 5 && ROWS_OF_COARSE == 2, "these are the rows");

// What a warp keeps in shared memory for its ray of coarse + fine depths.
struct Scratch {
    float* active;      // [AT_ONCE][UNITS] hidden units of samples that show
    float* z;           // [coarse + fine] coarse, then fine depths
    float* density;     // [coarse + fine] theirs
    float* merged;      // [coarse + fine] all depths ascending; before that, the bins
    float* share;       // [coarse + fine] of the pixel
    int* source;        // [coarse + fine] of each merged depth, its number among coarse and fine
    float* weight;      // [coarse]
    float* cumulative;  // [coarse]
};

__device__ inline Scratch scratch_in(float* memory, int coarse, int count) {
    float* z = memory + AT_ONCE * UNITS;
    float* weight = z + ROWS_OF_ALL * count;
    return {memory, z, z + count, z + 2 * count, z + 3 * count, (int*)(z + 4 * count), weight, weight + coarse};
}

// First pass: densities at coarse depths, and the weights of the intervals between them. Returns how many densities have been worked out.
__device__ inline int first_pass(const Head& head, const Ray& ray, const Scratch& own, const float* depths, int coarse, float stop_below,
                                 int lane, const float* to_density) {
    for (int i = lane; i < coarse; i += 32) {
        own.z[i] = depths[i];
        own.weight[i] = 0.0f;
    }
    __syncwarp();
    float passing = 1.0f;
    int known = 0;
    for (int start = 0; start < coarse && passing >= stop_below; start += 32) {
        const int i = start + lane;
        const float here = densities(head, ray, i < coarse ? own.z[i] : 0.0f, i < coarse, lane, to_density);
        if (i < coarse) own.density[i] = here;
        __syncwarp();
        const bool interval = i >= 1 && i < coarse;  // from the depth before this one
        const float alpha = interval ? opaqueness(own.z[i - 1], own.z[i], own.density[i - 1], here) : 0.0f;
        const float found = weights(alpha, lane, passing);
        if (interval) own.weight[i - 1] = found;
        known = start + 32 < coarse ? start + 32 : coarse;
    }
    __syncwarp();
    return known;
}

// The distribution that the first pass found, as cumulative shares of the bins 0 .. last (spec 03 section 8).
__device__ inline void accumulate(const Scratch& own, int last, int lane) {
    const float* weight = own.weight;
    float total = 0.0f;
    for (int start = 0; start < last; start += 32) {
        const int j = start + lane;
        const float part =
            j < last ? (fmaxf(weight[j], weight[j + 1]) + fmaxf(weight[j + 1], weight[j + 2])) * 0.5f + 0.01f + 1e-5f : 0.0f;
        if (j < last) own.cumulative[j + 1] = part;
        total += warp_sum(part);
    }
    for (int j = lane; j <= last; j += 32) own.merged[j] = (own.z[j] + own.z[j + 1]) * 0.5f;
    __syncwarp();
    float before = 0.0f;
    for (int start = 0; start < last; start += 32) {
        const int j = start + lane;
        float upto = j < last ? own.cumulative[j + 1] / total : 0.0f;
        for (int step = 1; step < 32; step *= 2) {
            const float other = __shfl_up_sync(EVERY, upto, step);
            if (lane >= step) upto += other;
        }
        if (j < last) own.cumulative[j + 1] = before + upto;
        before += __shfl_sync(EVERY, upto, 31);
    }
    if (!lane) own.cumulative[0] = 0.0f;
    __syncwarp();
}

// The depth at position u, 0..1, of that distribution.
__device__ inline float depth_at(const Scratch& own, int last, float u) {
    const float *cumulative = own.cumulative, *bins = own.merged;
    int right = 0, beyond = last + 1;  // the first of 0 .. last + 1 whose cumulative share passes u
    while (right < beyond) {
        const int middle = (right + beyond) / 2;
        if (cumulative[middle] <= u)
            right = middle + 1;
        else
            beyond = middle;
    }
    const int lo = right ? right - 1 : 0, hi = right < last ? right : last;
    const float width = cumulative[hi] - cumulative[lo];
    const float found = bins[lo] + (u - cumulative[lo]) / (width < 1e-5f ? 1.0f : width) * (bins[hi] - bins[lo]);
    return fminf(found, bins[hi]);
}

// Coarse and fine depths in one ascending list: a depth's place is its own number plus how many of the other list come before it.
__device__ inline void merge(const Scratch& own, int coarse, int fine, int known, int lane) {
    const int count = coarse + fine;
    for (int i = lane; i < count; i += 32) {
        const bool first = i < coarse;
        const float* other = first ? own.z + coarse : own.z;
        int low = 0, high = first ? fine : coarse;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (other[middle] < own.z[i] || (!first && other[middle] == own.z[i]))
                low = middle + 1;
            else
                high = middle;
        }
        const int place = (first ? i : i - coarse) + low;
        own.source[place] = i;
        if (i >= known) own.density[i] = UNSEEN;
    }
    __syncwarp();
    for (int k = lane; k < count; k += 32) own.merged[k] = own.z[own.source[k]];
    __syncwarp();
}

// What the second pass finds out about a pixel: its opacity, its depth times its opacity, and how many samples have a share of it.
struct Seen {
    float total, distance;
    int samples;
};

// Second pass: all depths. A sample's share of the pixel is the mean of the intervals before and after it.
__device__ inline Seen second_pass(const Head& head, const Ray& ray, const Scratch& own, int count, int known, float stop_below, int lane,
                                   const float* to_density) {
    const float* merged = own.merged;
    float passing = 1.0f, total = 0.0f, distance = 0.0f, last_density = UNSEEN, last_weight = 0.0f;
    int seen = 0;
    for (int start = 0; start < count && passing >= stop_below; start += 32) {
        const int k = start + lane, sample = k < count ? own.source[k] : 0;
        const bool fresh = k < count && sample >= known;
        const float worked_out = densities(head, ray, k < count ? merged[k] : 0.0f, fresh, lane, to_density);
        const float here = fresh ? worked_out : k < count ? own.density[sample] : UNSEEN;
        float previous = __shfl_up_sync(EVERY, here, 1);
        if (!lane) previous = last_density;
        last_density = __shfl_sync(EVERY, here, 31);
        const bool interval = k >= 1 && k < count;
        const float found = weights(interval ? opaqueness(merged[k - 1], merged[k], previous, here) : 0.0f, lane, passing);
        total += found;
        if (interval) distance += found * ((merged[k - 1] + merged[k]) * 0.5f);
        float before = __shfl_up_sync(EVERY, found, 1);
        if (!lane) before = last_weight;
        last_weight = __shfl_sync(EVERY, found, 31);
        if (k >= 1 && k <= count) own.share[k - 1] = (before + found) * 0.5f;
        seen = start + 32 < count ? start + 32 : count;
    }
    if (!lane && seen % 32 == 0) own.share[seen - 1] = last_weight * 0.5f;
    __syncwarp();
    return {warp_sum(total), warp_sum(distance), seen};
}

// Hidden units of the next AT_ONCE samples that show, one bit each in `shown`, into own.active; where there are fewer, their shares are 0.
__device__ inline void activate(const Head& head, const Scratch& own, const Place& place_here, float share_here, int lane, unsigned& shown,
                                float* shares) {
    #pragma unroll
    for (int s = 0; s < AT_ONCE; s++) {
        const int sample = shown ? __ffs(shown) - 1 : 0;
        shares[s] = __shfl_sync(EVERY, share_here, sample);
        if (!shown) shares[s] = 0.0f;
        const Place place = place_of(head, place_here, sample);
        float hidden[EARLY / 32];
        look_up<EARLY>(head, head.early, place, lane, hidden);
        #pragma unroll
        for (int v = 0; v < EARLY / 32; v++) own.active[s * UNITS + lane + 32 * v] = hidden[v];
#if LATE
        float late[LATE / 32];
        look_up<LATE>(head, head.late, place, lane, late);
        #pragma unroll
        for (int v = 0; v < LATE / 32; v++) own.active[s * UNITS + EARLY + lane + 32 * v] = late[v];
#endif
        shown &= shown - 1;
    }
    __syncwarp();
}

// Adds what the samples in own.active give to this lane's colours (lane, lane + 32, ...).
__device__ inline void add_colours(const Head& head, const Scratch& own, const float* shares, int lane, float* sums) {
    #pragma unroll
    for (int v = 0; v < VARYING / 32; v++) {
        const float* output = head.to_colour + lane + 32 * v;
        float raw[AT_ONCE];
        #pragma unroll
        for (int s = 0; s < AT_ONCE; s++) raw[s] = head.colour_bias[lane + 32 * v];
        #pragma unroll 2
        for (int unit = 0; unit < UNITS; unit += 4) {
            const float a = output[unit * VARYING], b = output[(unit + 1) * VARYING];
            const float c = output[(unit + 2) * VARYING], d = output[(unit + 3) * VARYING];
            #pragma unroll
            for (int s = 0; s < AT_ONCE; s++) {
                const float4 four = *(const float4*)(own.active + s * UNITS + unit);
                raw[s] += four.x * a + four.y * b + four.z * c + four.w * d;
            }
        }
        #pragma unroll
        for (int s = 0; s < AT_ONCE; s++) sums[v] += shares[s] * (1.002f / (1.0f + expf(-raw[s])) - 0.001f);
    }
    __syncwarp();
}

// Colours of the samples that show, AT_ONCE at a time: first their hidden units, spread over the lanes, then the outputs.
__device__ inline void colours(const Head& head, const Ray& ray, const Scratch& own, int seen, float colour_above, int lane, float* sums) {
    #pragma unroll
    for (int v = 0; v < VARYING / 32; v++) sums[v] = 0.0f;
    for (int start = 0; start < seen; start += 32) {
        const int k = start + lane;
        const float share = k < seen ? own.share[k] : -2.0f;
        const Place place = locate(head, ray, k < seen ? own.merged[k] : 0.0f);
        unsigned shown = __ballot_sync(EVERY, share > colour_above);
        while (shown) {
            float shares[AT_ONCE];
            activate(head, own, place, share, lane, shown, shares);
            add_colours(head, own, shares, lane, sums);
        }
    }
}

// Arguments and results are those of real3d_core.render.ray_marching.march_rays; positions_stride is 0 where all rays share their
// positions. stop_below and colour_above: see fused_marching.py. Launch: at most 32 x WARPS threads a block, one warp a ray, and for each
// warp room_per_ray floats of shared memory: those of Scratch, rounded up to a multiple of 4.
extern "C" __global__ void __launch_bounds__(32 * WARPS, 4)
march(Head head, const float* origins, const float* directions, const float* depths, const float* positions, long long rays, int coarse,
      int fine, int room_per_ray, long long positions_stride, float stop_below, float colour_above, float* colour, float* depth, float* opacity) {
    extern __shared__ float4 shared[];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, count = coarse + fine;
    const long long number = (long long)blockIdx.x * (blockDim.x / 32) + warp;
    if (number >= rays) return;  // a warp as a whole

    const Scratch own = scratch_in((float*)shared + warp * room_per_ray, coarse, count);
    Ray ray;
    for (int axis = 0; axis < 3; axis++) {
        ray.origin[axis] = origins[3 * number + axis];
        ray.direction[axis] = directions[3 * number + axis];
    }
    float to_density[EARLY / 32];
    for (int v = 0; v < EARLY / 32; v++) to_density[v] = head.to_density[lane + 32 * v];

    const int known = first_pass(head, ray, own, depths + number * coarse, coarse, stop_below, lane, to_density);
    if (fine) {
        const int last = coarse - 3;  // number of the last bin in use
        accumulate(own, last, lane);
        for (int k = lane; k < fine; k += 32) own.z[coarse + k] = depth_at(own, last, positions[number * positions_stride + k]);
        __syncwarp();
    }
    merge(own, coarse, fine, known, lane);
    const Seen seen = second_pass(head, ray, own, count, known, stop_below, lane, to_density);
    float sums[VARYING / 32];
    colours(head, ray, own, seen.samples, colour_above, lane, sums);

    float* pixel = colour + number * head.channels;
    for (int channel = lane; channel < head.channels; channel += 32) pixel[channel] = seen.total * head.constant[channel];
    __syncwarp();
    #pragma unroll
    for (int v = 0; v < VARYING / 32; v++)
        if (lane + 32 * v < head.written) pixel[head.outputs[lane + 32 * v]] = sums[v];
    if (!lane) {
        opacity[number] = seen.total;
        depth[number] = seen.distance / seen.total;
    }
}
