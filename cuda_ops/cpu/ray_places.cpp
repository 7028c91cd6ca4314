// Where in the photo the rays of a frame arrive, as RayCoordinates of real3d_core/analytic/ray_maps.py and FarSide of far_side.py define it.
// ray_places_extension.py puts this text behind their numbers, in capitals, and the sizes that the structs have in Python.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

extern "C" {

// Of a portrait. Maps have four numbers per place, those that are not named are zeros; the same fields as in ray_places_extension.py.
struct Known {
    const float* from_rim;  // [rays, rays] away from the rim inwards, x and y, and how far inside of it
    const float* front;     // [texels, texels] height of the front surface, its slopes along x and y, and texels within the silhouette
    const float* shown;     // [rays, rays] whether the photo shows the rim, whether hair, and how near to hair that hangs down
    const float* residual;  // [rays, rays] what coordinates lack, u and v
    const float* in_place;  // [6, rays, rays] where rays arrive at rest
    const float* reached;   // [rays, rays] how far the head at rest reaches
    float axes[3][2];       // the photo's right and down, in the world
    float per_world;
    int32_t rays, texels;
};

// Of a frame.
struct Frame {
    const float *sheets, *behind;   // features [6, rays, rays] and [rays, rays]
    const float *opacity, *depth;   // [rays, rays]
    const float* camera;            // [25]
};

static_assert(sizeof(Known) == KNOWN_BYTES && sizeof(Frame) == FRAME_BYTES, "ray_places_extension.py has other fields");

int32_t ray_places(const Known* known, const Frame* frame, float* uv, float* near, float* reached, float* still);
}

namespace {

// Of a ray: six offsets, whether the photo shows the rim, whether hair, how near to hanging hair, whether it is the head's front.
const int VALUES = 10, RIM = 6, HAIR = 7, HANGING = 8, IN_FRONT = 9;
typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));

inline float within(float value, float low, float high) {  // low, if it is not a number
    value = value > low ? value : low;
    return value < high ? value : high;
}

// Bilinear, at a place in 0..1 of a map [side, side, 4]; beyond the border it goes on.
inline Quad sampled(const float* map, int32_t side, float u, float v) {
    const float x = within(u * side - 0.5f, 0, side - 1.0f), y = within(v * side - 0.5f, 0, side - 1.0f);
    const int32_t left = static_cast<int32_t>(x), above = static_cast<int32_t>(y);
    const int32_t right = left < side - 1 ? 4 : 0, below = above < side - 1 ? 4 * side : 0;
    const float* const first = map + 4 * (above * side + left);
    auto at = [&](int32_t away) { return *reinterpret_cast<const Quad*>(first + away); };
    const Quad upper = at(0) + (at(right) - at(0)) * (x - left), lower = at(below) + (at(below + right) - at(below)) * (x - left);
    return upper + (lower - upper) * (y - above);
}

// Natural logarithm of a positive number, to 1e-7; loops of it become vectors.
inline float logarithm(float value) {
    int32_t bits;
    std::memcpy(&bits, &value, 4);
    const int32_t exponent = (bits - 0x3f3504f3) >> 23;  // the mantissa is then in sqrt(1/2)..sqrt(2)
    bits -= exponent * (1 << 23);
    float mantissa;
    std::memcpy(&mantissa, &bits, 4);
    const float s = (mantissa - 1) / (mantissa + 1), square = s * s;
    const float series = 2 * s * (1 + square * (1.0f / 3 + square * (1.0f / 5 + square * (1.0f / 7 + square * (1.0f / 9)))));
    return exponent * 0.693147181f + series;
}

// What the decoder's output was before its last step, of a feature under an opacity.
inline float unmixed(float feature, float opacity) {
    const float straight = (feature + 1) / 2 / (opacity > 1e-3f ? opacity : 1e-3f);
    const float share = within((straight + 0.001f) / 1.002f, 1e-4f, 1 - 1e-4f);
    return logarithm(share / (1 - share));
}

class Places {
  public:
    Places(const Known& known, const Frame& frame, float* uv, float* near, float* reached, float* still)
        : known(known), frame(frame), side(known.rays), count(side * side), uv(uv), near(near), reached(reached), still(still),
          values(VALUES * count), away(count), solid(count), turned(count), scratch(2 * count), right(count), down(count) {
        for (int32_t y = 0; y < side; y++) {
            for (int32_t x = 0; x < side; x++) {
                right[y * side + x] = (x + 0.5f) / side;
                down[y * side + x] = (y + 0.5f) / side;
            }
        }
    }

    void find() {
        start();
        continue_outwards();
        add_beyond_rim();
        soften_steps();
        add_residual();
        outline();
    }

  private:
    const Known& known;
    const Frame& frame;
    const int32_t side, count;
    float *const uv, *const near, *const reached, *const still;
    std::vector<float> values;  // [VALUES][side][side]
    std::vector<float> away;    // in rings from the solid
    std::vector<uint8_t> solid;
    std::vector<float> turned, scratch;
    std::vector<float> right, down;  // of the rays' own places, 0..1

    float* value(int32_t number) { return &values[static_cast<int64_t>(number) * count]; }

    // Coordinates of the rays that end on the head, set right; all else is zero.
    void start() {
        std::vector<int32_t> on_head;
        for (int32_t ray = 0; ray < count; ray++) {
            solid[ray] = frame.opacity[ray] > WHOLE;
            if (frame.opacity[ray] > 0.5f) on_head.push_back(ray);
        }
        const int32_t found = static_cast<int32_t>(on_head.size());
        std::vector<float> part(found), share(found), behind(count);
        auto unmix = [&](const float* feature) {
            for (int32_t k = 0; k < found; k++) part[k] = feature[on_head[k]];
            for (int32_t k = 0; k < found; k++) part[k] = unmixed(part[k], share[k]);
        };
        for (int32_t k = 0; k < found; k++) share[k] = frame.opacity[on_head[k]];
        unmix(frame.behind);
        for (int32_t k = 0; k < found; k++) behind[on_head[k]] = part[k] / BEHIND_GAIN;
        for (int32_t sheet = 0; sheet < 6; sheet++) {
            unmix(frame.sheets + static_cast<int64_t>(sheet) * count);
            for (int32_t k = 0; k < found; k++) {
                const int32_t ray = on_head[k];
                value(sheet)[ray] = part[k] / UV_GAIN + 0.5f - (sheet % 2 ? down : right)[ray];
            }
        }
        const std::vector<float> evened = means_of_neighbours(behind);
        for (int32_t ray : on_head) correct(ray, behind[ray], evened[ray]);
        for (int32_t number = 0; number < VALUES; number++) {
            for (int32_t ray = 0; ray < count; ray++) value(number)[ray] = solid[ray] ? value(number)[ray] : 0.0f;
        }
    }

    // Twice the means of the rays on the head, around each; elsewhere zeros.
    std::vector<float> means_of_neighbours(std::vector<float> means) const {
        std::vector<float> on_head(count), counts(count), sums(count);
        for (int32_t ray = 0; ray < count; ray++) on_head[ray] = frame.opacity[ray] > 0.5f;
        add_neighbours(on_head.data(), counts.data());
        for (int32_t round = 0; round < 2; round++) {
            add_neighbours(means.data(), sums.data());
            for (int32_t ray = 0; ray < count; ray++) means[ray] = on_head[ray] * sums[ray] / (counts[ray] > 1 ? counts[ray] : 1.0f);
        }
        return means;
    }
    void add_neighbours(const float* map, float* sums) const {
        std::vector<float> row(side + 2);
        for (int32_t y = 0; y < side; y++) {
            const float* const here = map + y * side;
            for (int32_t x = 0; x < side; x++) {
                row[x + 1] = here[x] + (y > 0 ? here[x - side] : 0) + (y < side - 1 ? here[x + side] : 0);
            }
            for (int32_t x = 0; x < side; x++) sums[y * side + x] = row[x] + row[x + 1] + row[x + 2];
        }
    }

    // One ray's coordinates, where the photo does not show the head or the march has met it inexactly.
    void correct(int32_t ray, float behind, float evened) {
        const float* const camera = frame.camera;
        const float u = right[ray], v = down[ray];
        const float fx = camera[16], skew = camera[17], cx = camera[18], fy = camera[20], cy = camera[21];
        const float x = (u - cx + cy * skew / fy - skew * v / fy) / fx, y = (v - cy) / fy;
        float point[3], direction[3], length = 0;
        for (int32_t axis = 0; axis < 3; axis++) {
            const float* const row = camera + 4 * axis;
            direction[axis] = row[0] * x + row[1] * y + row[2];
            length += direction[axis] * direction[axis];
        }
        const float shorter = 1 / std::sqrt(length);
        for (int32_t axis = 0; axis < 3; axis++) {
            direction[axis] *= shorter;
            point[axis] = camera[4 * axis + 3] + direction[axis] * frame.depth[ray];
        }
        float way = 0, height_here = 0;
        for (int32_t step = 0; step < 2; step++) {  // Newton's
            const Quad surface = on_front(point, direction, way);
            if (step == 0) height_here = surface[0];
            const float left = behind + surface[0] - height_here - way * direction[2];
            const float steepness = direction[2] - surface[1] * direction[0] - surface[2] * direction[1];
            way += left / (steepness < -0.3f ? steepness : -0.3f);
        }
        const float not_inside = within(0.5f - on_front(point, direction, way)[3], 0, 1);
        const float far = within(std::fabs(way) / FARTHEST - 1, 0, 1);
        const float outside = not_inside > far ? not_inside : far;
        way = within(way, -FARTHEST, FARTHEST);

        const Quad rim = sampled(known.from_rim, side, value(0)[ray] + u, value(1)[ray] + v);
        const float beyond_front = evened - FRONT > 0 ? evened - FRONT : 0;
        const float reach = (rim[2] > 0 ? rim[2] : 0) + UNROLLED * known.per_world * beyond_front;
        const float on_side = outside * within((evened - FRONT) / (SIDE - FRONT), 0, 1) * within((WIDEST - rim[2]) / (0.3f * WIDEST), 0, 1);
        for (int32_t axis = 0; axis < 2; axis++) {
            float along = 0;
            for (int32_t k = 0; k < 3; k++) along += direction[k] * known.axes[k][axis];
            const float met = known.per_world * (way * along - behind * known.axes[2][axis]);
            const float shift = met + (-rim[axis] * reach - met) * on_side;
            for (int32_t sheet = 0; sheet < 3; sheet++) value(2 * sheet + axis)[ray] += shift;
        }
        const Quad shown = sampled(known.shown, side, value(0)[ray] + u, value(1)[ray] + v);
        for (int32_t k = 0; k < 3; k++) value(RIM + k)[ray] = shown[k];
        value(IN_FRONT)[ray] = 1 - on_side;
    }
    Quad on_front(const float* point, const float* direction, float way) const {
        return sampled(known.front, known.texels, point[0] + way * direction[0] + 0.5f, point[1] + way * direction[1] + 0.5f);
    }

    // Grows the values of the solid outwards ring by ring, each the mean of its known neighbours.
    void continue_outwards() {
        const int32_t wide = side + 2;
        std::vector<int32_t> ring(wide * wide, -1), around, next;  // -1: not reached yet; the border never is
        for (int32_t k = 0; k < wide; k++) ring[k] = ring[wide * (wide - 1) + k] = ring[wide * k] = ring[wide * k + wide - 1] = GROW + 2;
        for (int32_t ray = 0; ray < count; ray++) {
            if (solid[ray]) {
                ring[(ray / side + 1) * wide + ray % side + 1] = 0;
                next.push_back(ray);
            }
        }
        int32_t steps[8], apart[8], some = 0;  // to the neighbours, in rows with the border and without
        for (int32_t down = -1; down <= 1; down++) {
            for (int32_t across = -1; across <= 1; across++) {
                if (!down && !across) continue;
                steps[some] = down * wide + across;
                apart[some++] = down * side + across;
            }
        }
        for (int32_t number = 1; number <= GROW && !next.empty(); number++) {
            around.swap(next);
            next.clear();
            for (int32_t ray : around) {
                const int32_t place = (ray / side + 1) * wide + ray % side + 1;
                for (int32_t k = 0; k < 8; k++) {
                    if (ring[place + steps[k]] != -1) continue;
                    ring[place + steps[k]] = number;
                    next.push_back(ray + apart[k]);
                }
            }
            for (int32_t ray : next) {
                const int32_t place = (ray / side + 1) * wide + ray % side + 1;
                float sums[VALUES] = {}, neighbours = 0;
                for (int32_t k = 0; k < 8; k++) {
                    if (ring[place + steps[k]] < 0 || ring[place + steps[k]] >= number) continue;
                    for (int32_t number = 0; number < VALUES; number++) sums[number] += value(number)[ray + apart[k]];
                    neighbours++;
                }
                for (int32_t k = 0; k < VALUES; k++) value(k)[ray] = sums[k] / neighbours;
            }
        }
        for (int32_t ray = 0; ray < count; ray++) {
            const int32_t number = ring[(ray / side + 1) * wide + ray % side + 1];
            away[ray] = number < 0 ? GROW : number > 1 ? number - 1.0f : 0.0f;
        }
    }

    // So that rays beyond the solid see the photo as far beyond its rim.
    void add_beyond_rim() {
        float shift[2] = {};
        for (int32_t axis = 0; axis < 2; axis++) {
            for (int32_t k = 0; k < 3; k++) shift[axis] -= frame.camera[4 * k + 2] * known.axes[k][axis];
        }
        for (int32_t ray = 0; ray < count; ray++) {
            const Quad rim = sampled(known.from_rim, side, value(0)[ray] + right[ray], value(1)[ray] + down[ray]);
            turned[ray] = rim[0] * shift[0] + rim[1] * shift[1];
            if (solid[ray]) continue;
            const float inside = rim[2] * side, missing = inside + away[ray] - JITTER;
            const float lacking = (missing > 0 ? missing : 0) * within((TURNS_AWAY - inside) / 2, 0, 1);
            for (int32_t sheet = 0; sheet < 6; sheet++) value(sheet)[ray] += -rim[sheet % 2] * lacking / side;
        }
    }

    void soften_steps() {
        const float *const across = value(0), *const down = value(1);
        std::vector<float> step(count), near_step(count);
        bool any = false;
        for (int32_t y = 0; y < side; y++) {
            const int32_t upper = (y > 0 ? y - 1 : 0) * side, lower = (y < side - 1 ? y + 1 : y) * side;
            for (int32_t x = 0; x < side; x++) {
                const int32_t left = y * side + (x > 0 ? x - 1 : 0), right = y * side + (x < side - 1 ? x + 1 : x);
                float most = 0;
                for (const float* map : {across, down}) {
                    const float along = std::fabs(map[right] - map[left]), aside = std::fabs(map[lower + x] - map[upper + x]);
                    most = most > along ? most : along;
                    most = most > aside ? most : aside;
                }
                if (!(most * side > STEP)) continue;
                any = true;
                for (int32_t j = y > 0 ? y - 1 : 0; j <= y + 1 && j < side; j++) {
                    for (int32_t i = x > 0 ? x - 1 : 0; i <= x + 1 && i < side; i++) step[j * side + i] = 1;
                }
            }
        }
        if (!any) return;
        blur(step.data(), STEP_BLUR, near_step.data());
        for (int32_t sheet = 0; sheet < 6; sheet++) {
            float* const offset = value(sheet);
            blur(offset, STEP_BLUR, step.data());
            for (int32_t ray = 0; ray < count; ray++) offset[ray] += near_step[ray] * (step[ray] - offset[ray]);
        }
    }

    void add_residual() {
        for (int32_t sheet = 0; sheet < 3; sheet++) {
            for (int32_t ray = 0; ray < count; ray++) {
                const float u = value(2 * sheet)[ray] + right[ray], v = value(2 * sheet + 1)[ray] + down[ray];
                const Quad error = sampled(known.residual, side, u, v);
                uv[2 * sheet * count + ray] = u + error[0];
                uv[(2 * sheet + 1) * count + ray] = v + error[1];
            }
        }
    }

    void outline() {
        float *const far = scratch.data(), *const beside = far + count, *const front = value(IN_FRONT), *const hair = value(HAIR);
        for (int32_t ray = 0; ray < count; ray++) beside[ray] = within((SIDE_GROW - away[ray]) / 2, 0, 1) * (1 - front[ray]) * hair[ray];
        blur(away.data(), AWAY_BLUR, far);
        blur(beside, STEP_BLUR, near);
        for (int32_t ray = 0; ray < count; ray++) {
            float moved = 0;
            for (int32_t sheet = 0; sheet < 6; sheet += 2) {
                const float x = uv[sheet * count + ray] - known.in_place[sheet * count + ray];
                const float y = uv[(sheet + 1) * count + ray] - known.in_place[(sheet + 1) * count + ray];
                moved = moved > x * x + y * y ? moved : x * x + y * y;
            }
            const float unmoved = within(1 - std::sqrt(moved) / MOVED, 0, 1);
            const float rim = within(value(RIM)[ray], 0, 1) * front[ray];
            float reach = FAR_GROW / (turned[ray] > 1e-3f ? turned[ray] : 1e-3f);
            reach = reach < GROW ? reach : GROW;
            reach += (GROW - reach) * value(HANGING)[ray];
            const float strands = within((reach - far[ray]) / (reach / 3 > SHARPEST ? reach / 3 : SHARPEST), 0, 1);
            const float skin = within((SKIN_GROW - away[ray]) / 2, 0, 1);
            const float carried = skin * rim + (within(GROW - away[ray], 0, 1) - skin * rim) * hair[ray];
            reached[ray] = solid[ray] ? 1.0f : carried;
            const float seen = (skin * unmoved + (strands - skin * unmoved) * hair[ray]) * rim;
            near[ray] = seen > near[ray] ? seen : near[ray];
            const float changed = reached[ray] * (1 - unmoved), uncovered = known.reached[ray] - reached[ray];
            still[ray] = 1 - (changed > uncovered ? changed : uncovered);
        }
    }

    // A map over seven rays; beyond the border it goes on.
    void blur(const float* map, float sigma, float* blurred) const {
        float weight[4], sum = 0;
        for (int32_t k = 0; k < 4; k++) {
            weight[k] = std::exp(-k * k / (2 * sigma * sigma));
            sum += k ? 2 * weight[k] : weight[k];
        }
        std::vector<float> down(side + 6);
        for (int32_t y = 0; y < side; y++) {
            const float* rows[7];
            for (int32_t k = -3; k <= 3; k++) rows[k + 3] = map + (y + k < 0 ? 0 : y + k < side ? y + k : side - 1) * side;
            for (int32_t x = 0; x < side; x++) {
                float mean = rows[3][x] * weight[0];
                for (int32_t k = 1; k <= 3; k++) mean += (rows[3 - k][x] + rows[3 + k][x]) * weight[k];
                down[x + 3] = mean / sum;
            }
            for (int32_t k = 0; k < 3; k++) {
                down[k] = down[3];
                down[side + 3 + k] = down[side + 2];
            }
            for (int32_t x = 0; x < side; x++) {
                float mean = down[x + 3] * weight[0];
                for (int32_t k = 1; k <= 3; k++) mean += (down[x + 3 - k] + down[x + 3 + k]) * weight[k];
                blurred[y * side + x] = mean / sum;
            }
        }
    }
};

}  // namespace

// uv [6, rays, rays], near, reached and still [rays, rays]: RayPlaces. Returns whether there was too little memory.
int32_t ray_places(const Known* known, const Frame* frame, float* uv, float* near, float* reached, float* still) try {
    Places(*known, *frame, uv, near, reached, still).find();
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
