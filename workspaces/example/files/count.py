import collections
import sys

counts = collections.Counter(sys.stdin.read().split())
for word, count in counts.most_common(3):
    print(f"{count:3} {word}")
