#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the generator knows of the family, as C: table.py SPECIFICATION > table.h

The attribute sets and operations of the YAML specification as tables of the types in
spec.h; numbers are counted as the kernel's ynl-gen-c.py counts them. Needs PyYAML.
"""

import sys

import yaml

KINDS = {"u32": "U32", "u64": "U64", "string": "STRING", "binary": "BINARY",
         "flag": "FLAG", "nest": "NEST", "pad": "PAD"}


def ident(name):
    return name.replace("-", "_")


def enum_values(spec):
    """Of each enum the values that an attribute of its type may have: (largest, mask)."""
    values = {}
    for one in spec["definitions"]:
        if one["type"] == "enum":
            values[one["name"]] = (len(one["entries"]) - 1, 0)
        elif one["type"] == "flags":
            mask = (1 << len(one["entries"])) - 1
            values[one["name"]] = (mask, mask)
    return values


def complete(spec):
    """Sets by name, each a dict of attributes by number, subsets filled up."""
    sets = {}
    for one in spec["attribute-sets"]:
        parent = sets.get(one.get("subset-of"), {})
        by_name = {attr["name"]: (number, attr) for number, attr in parent.items()}
        attrs, number = {}, 0
        for attr in one["attributes"]:
            if attr["name"] in by_name:
                number, known = by_name[attr["name"]]
                attr = {**known, **attr}
            else:
                number = attr.get("value", number + 1)
            attrs[number] = attr
        sets[one["name"]] = attrs
    return sets


def attribute(attr, enums):
    checks = attr.get("checks", {})
    fields = [f'.name = "{attr["name"]}"', f".kind = KIND_{KINDS[attr['type']]}"]
    largest = checks.get("max", checks.get("max-len", checks.get("exact-len")))
    if "enum" in attr:
        largest, mask = enums[attr["enum"]]
        if attr.get("enum-as-flags"):
            fields.append(f".mask = {mask:#x}")
    if largest is not None:
        fields += [".bounded = true", f".max = {largest}"]
    if attr.get("multi-attr"):
        fields.append(".multi = true")
    if attr.get("display-hint", "").startswith("ipv"):
        fields.append(".address = true")
    if "nested-attributes" in attr:
        fields.append(f".nest = &set_{ident(attr['nested-attributes'])}")
    return "{ " + ", ".join(fields) + " }"


def message(op, kind, way, attrs):
    """The attributes of a message as a mask, or None where there is no such message."""
    if kind not in op:
        return None
    names = op[kind].get(way, {}).get("attributes", [])
    numbers = {attr["name"]: number for number, attr in attrs.items()}
    return sum(1 << numbers[name] for name in names)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = yaml.safe_load(file)
    enums = enum_values(spec)
    sets = complete(spec)

    print("/* SPDX-License-Identifier: GPL-2.0 */")
    print("/* Made by table.py of the specification */\n")
    print(f'#define FAMILY "{spec["name"]}"\n')
    for one in spec["definitions"]:
        if one["type"] == "const":
            print(f"#define SPEC_{ident(one['name']).upper()} {one['value']}")
    print()
    for name in sets:
        print(f"extern const struct set set_{ident(name)};")
    print("\n#ifdef TABLE\n")
    print("const uint32_t consts[] = {")
    for one in spec["definitions"]:
        if one["type"] == "const":
            print(f"\t{one['value']},")
    print("};\n\nconst unsigned int nr_consts = sizeof(consts) / sizeof(*consts);\n")
    for name, attrs in sets.items():
        print(f"static const struct attr attrs_{ident(name)}[] = {{")
        for number, attr in attrs.items():
            print(f"\t[{number}] = {attribute(attr, enums)},")
        print("};\n")
        print(f"const struct set set_{ident(name)} = {{")
        print(f'\t.name = "{name}",')
        print(f"\t.attr = attrs_{ident(name)},")
        print(f"\t.last = {max(attrs)},")
        print(f"\t.has = {sum(1 << number for number in attrs):#x},")
        print("};\n")

    # Requests, replies and notifications have numbers of one row
    print("const struct op ops[] = {")
    by_name = {op["name"]: op for op in spec["operations"]["list"]}
    for number, op in enumerate(spec["operations"]["list"], 1):
        base = by_name[op.get("notify", op["name"])]
        attrs = sets[base["attribute-set"]]
        fields = [f'.name = "{op["name"]}"', f".set = &set_{ident(base['attribute-set'])}"]
        if "admin-perm" in op.get("flags", []):
            fields.append(".admin = true")
        # A notification says what an answer says
        reply = {message(base, kind, "reply", attrs) for kind in ("do", "dump")}
        reply = [mask for mask in reply if mask]
        if reply:
            fields.append(f".reply = {reply[0]:#x}")
        if len(reply) > 1:
            sys.exit(f"{op['name']}: answers of two kinds")
        if "notify" in op:
            fields.append(".notify = true")
            group = [one["name"] for one in spec["mcast-groups"]["list"]].index(op["mcgrp"])
            fields.append(f".group = {group}")
        for kind in ("do", "dump"):
            mask = message(op, kind, "request", attrs)
            if mask is not None:
                fields += [f".can_{kind} = true", f".{kind}_request = {mask:#x}"]
        print(f"\t[{number}] = {{\n\t\t" + ",\n\t\t".join(fields) + ",\n\t},")
    print("};\n\nconst unsigned int nr_ops = sizeof(ops) / sizeof(*ops);\n")
    print("const char *const groups[] = {")
    for one in spec["mcast-groups"]["list"]:
        print(f'\t"{one["name"]}",')
    print("};\n\nconst unsigned int nr_groups = sizeof(groups) / sizeof(*groups);")
    print("\n#endif")


if __name__ == "__main__":
    main()
