#include "guest/writer.h"

#include "lib/string.h"

uint64_t writer_put(struct writer *writer, const void *from, uint64_t size, uint64_t align)
{
    const uint64_t offset = ALIGN_UP(writer->used, align);

    if (writer->at) {
        memset(writer->at + writer->used, 0, offset - writer->used);
        if (from)
            memcpy(writer->at + offset, from, size);
        else
            memset(writer->at + offset, 0, size);
    }
    writer->used = offset + size;
    return offset;
}

void writer_patch(struct writer *writer, uint64_t offset, const void *from, uint64_t size)
{
    if (writer->at)
        memcpy(writer->at + offset, from, size);
}
