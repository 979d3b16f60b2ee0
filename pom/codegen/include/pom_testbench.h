// Reading, writing and comparing the data of a POM testbench. Simulation only.
//
// A data file holds the elements in row-major order, little-endian. Floats, bool and numbers of up
// to 64 bits take 1, 2, 4 or 8 bytes (sign-extended); wider ones take (width + 7) / 8 bytes.
// The testbench defines POM_HAS_AP_INT, POM_HAS_AP_FIXED and POM_HAS_HALF as it needs them.
#ifndef POM_TESTBENCH_H
#define POM_TESTBENCH_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace pom {

typedef std::vector<unsigned char> Bytes;

// A value of T as bytes, and what a report shows of it.
template <class T> struct Codec;

// Floats: the bits. UINT is the unsigned integer of the same size, WIDE a type to compute in.
template <class T, class UINT, class WIDE> struct FloatCodec {
    static const std::size_t size = sizeof(UINT);
    static void decode(const unsigned char *from, T &to) { std::memcpy(&to, from, size); }
    static void encode(const T &from, unsigned char *to) { std::memcpy(to, &from, size); }

    static bool is_nan(const unsigned char *bytes) {
        T value;
        decode(bytes, value);
        const WIDE wide = (WIDE)value;
        return wide != wide;
    }

    // Numbers of T between two values. NaN equals NaN; zeros of unlike sign are half a step apart.
    static double distance(const unsigned char *a, const unsigned char *b) {
        if (std::memcmp(a, b, size) == 0)
            return 0.0;
        if (is_nan(a) || is_nan(b))
            return is_nan(a) && is_nan(b) ? 0.0 : HUGE_VAL;
        const UINT x = magnitude(a), y = magnitude(b);
        if (is_negative(a) != is_negative(b))
            return x == 0 && y == 0 ? 0.5 : (double)x + (double)y;
        return (double)(UINT)(x > y ? x - y : y - x);
    }

    static UINT bits_of(const unsigned char *bytes) {
        UINT bits;
        std::memcpy(&bits, bytes, size);
        return bits;
    }
    static UINT sign() { return (UINT)((UINT)1 << (8 * size - 1)); }
    static UINT magnitude(const unsigned char *bytes) { return (UINT)(bits_of(bytes) & ~sign()); }
    static bool is_negative(const unsigned char *bytes) { return (bits_of(bytes) & sign()) != 0; }

    static std::string text(const unsigned char *bytes) {
        T value;
        decode(bytes, value);
        char buffer[64];
        std::snprintf(buffer, sizeof buffer, "%.17g", (double)(WIDE)value);
        return buffer;
    }
};

template <> struct Codec<float> : FloatCodec<float, std::uint32_t, float> {};
template <> struct Codec<double> : FloatCodec<double, std::uint64_t, double> {};
#ifdef POM_HAS_HALF
template <> struct Codec<half> : FloatCodec<half, std::uint16_t, float> {};
#endif

// Numbers that are equal or not; a report shows their bits.
struct ExactCodec {
    static double distance_of(const unsigned char *a, const unsigned char *b, std::size_t size) {
        return std::memcmp(a, b, size) == 0 ? 0.0 : HUGE_VAL;
    }

    static std::string text_of(const unsigned char *bytes, std::size_t size) {
        std::string text = "0x";
        for (std::size_t k = size; k-- > 0;) {
            char buffer[3];
            std::snprintf(buffer, sizeof buffer, "%02x", (unsigned)bytes[k]);
            text += buffer;
        }
        return text;
    }
};

template <> struct Codec<bool> : ExactCodec {
    static const std::size_t size = 1;
    static void decode(const unsigned char *from, bool &to) { to = from[0] != 0; }
    static void encode(const bool &from, unsigned char *to) { to[0] = from ? 1 : 0; }
    static double distance(const unsigned char *a, const unsigned char *b) {
        return distance_of(a, b, size);
    }
    static std::string text(const unsigned char *bytes) { return text_of(bytes, size); }
};

#if defined(POM_HAS_AP_INT) || defined(POM_HAS_AP_FIXED)
template <class T, int WIDTH> struct BitsCodec : ExactCodec {
    static const std::size_t size = WIDTH <= 8    ? 1
                                    : WIDTH <= 16 ? 2
                                    : WIDTH <= 32 ? 4
                                    : WIDTH <= 64 ? 8
                                                  : (WIDTH + 7) / 8;

    static int high(int k) { return 8 * k + 7 < WIDTH ? 8 * k + 7 : WIDTH - 1; }

    static void decode(const unsigned char *from, T &to) {
        to = 0;
        for (int k = 0; 8 * k < WIDTH; ++k)
            to.range(high(k), 8 * k) = (unsigned)from[k] & ((2u << (high(k) - 8 * k)) - 1);
    }

    static void encode(const T &from, unsigned char *to) {
        T value = from;
        std::memset(to, value < 0 ? 0xff : 0, size);
        for (int k = 0; 8 * k < WIDTH; ++k) {
            const unsigned mask = (2u << (high(k) - 8 * k)) - 1;
            const unsigned bits = (unsigned)value.range(high(k), 8 * k).to_uint();
            to[k] = (unsigned char)((to[k] & ~mask) | (bits & mask));
        }
    }

    static double distance(const unsigned char *a, const unsigned char *b) {
        return ExactCodec::distance_of(a, b, size);
    }
    static std::string text(const unsigned char *bytes) {
        return ExactCodec::text_of(bytes, size);
    }
};
#endif
#ifdef POM_HAS_AP_INT
template <int W> struct Codec<ap_int<W> > : BitsCodec<ap_int<W>, W> {};
template <int W> struct Codec<ap_uint<W> > : BitsCodec<ap_uint<W>, W> {};
#endif
#ifdef POM_HAS_AP_FIXED
template <int W, int I> struct Codec<ap_fixed<W, I> > : BitsCodec<ap_fixed<W, I>, W> {};
template <int W, int I> struct Codec<ap_ufixed<W, I> > : BitsCodec<ap_ufixed<W, I>, W> {};
#endif

// The whole of a file, which must have `size` bytes.
inline bool read_file(const std::string &path, std::size_t size, Bytes &bytes) {
    bytes.assign(size, 0);
    std::FILE *file = std::fopen(path.c_str(), "rb");
    if (!file) {
        std::printf("FAIL: cannot open %s\n", path.c_str());
        return false;
    }
    const std::size_t found = size ? std::fread(&bytes[0], 1, size, file) : 0;
    const bool is_longer = std::fgetc(file) != EOF;
    std::fclose(file);
    if (found != size || is_longer) {
        std::printf("FAIL: %s does not hold %lu bytes\n", path.c_str(), (unsigned long)size);
        return false;
    }
    return true;
}

template <class T> bool load(const std::string &path, T *data, std::size_t count) {
    Bytes bytes;
    if (!read_file(path, count * Codec<T>::size, bytes))
        return false;
    for (std::size_t k = 0; k < count; ++k)
        Codec<T>::decode(&bytes[k * Codec<T>::size], data[k]);
    return true;
}

template <class T> void encode_all(const T *data, std::size_t count, Bytes &bytes) {
    bytes.assign(count * Codec<T>::size, 0);
    for (std::size_t k = 0; k < count; ++k)
        Codec<T>::encode(data[k], &bytes[k * Codec<T>::size]);
}

template <class T> bool save(const std::string &path, const T *data, std::size_t count) {
    Bytes bytes;
    encode_all(data, count, bytes);
    std::FILE *file = std::fopen(path.c_str(), "wb");
    const std::size_t written = file ? std::fwrite(&bytes[0], 1, bytes.size(), file) : 0;
    if (!file || std::fclose(file) != 0 || written != bytes.size()) {
        std::printf("FAIL: cannot write %s\n", path.c_str());
        return false;
    }
    return true;
}

// "[2][5]" of a flat position.
inline std::string subscripts(std::size_t position, const std::vector<std::size_t> &shape) {
    std::string text;
    for (std::size_t k = shape.size(); k-- > 0;) {
        text = "[" + std::to_string((unsigned long)(position % shape[k])) + "]" + text;
        position /= shape[k];
    }
    return text;
}

// Compares with the expected values of a file; prints the first difference.
template <class T>
bool check(const char *name, const std::string &path, const T *data,
           const std::vector<std::size_t> &shape, double max_ulps) {
    std::size_t count = 1;
    for (std::size_t k = 0; k < shape.size(); ++k)
        count *= shape[k];
    Bytes expected, actual;
    if (!read_file(path, count * Codec<T>::size, expected))
        return false;
    encode_all(data, count, actual);
    std::size_t wrong = 0;
    for (std::size_t k = 0; k < count; ++k) {
        const unsigned char *a = &actual[k * Codec<T>::size];
        const unsigned char *b = &expected[k * Codec<T>::size];
        if (Codec<T>::distance(a, b) <= max_ulps)
            continue;
        if (wrong++ == 0)
            std::printf("FAIL: %s%s is %s, expected %s\n", name, subscripts(k, shape).c_str(),
                        Codec<T>::text(a).c_str(), Codec<T>::text(b).c_str());
    }
    if (wrong)
        std::printf("FAIL: %s differs in %lu of %lu values\n", name, (unsigned long)wrong,
                    (unsigned long)count);
    return wrong == 0;
}

} // namespace pom

#endif
