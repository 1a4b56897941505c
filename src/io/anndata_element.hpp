#pragma once

#include <string>

#include "io/hdf5.hpp"

/// Elements of AnnData files (.h5ad): objects whose attributes encoding-type and encoding-version say what they are.
namespace scanmf::hdf5 {

/// A group that is a dictionary; one that exists stays as it is. Throws Error for what exists and is no group.
void make_anndata_dictionary(File& file, const std::string& path);

/// A scalar: string, bool, integer or floating.
void write_anndata_scalar(File& file, const std::string& path, const AttributeValue& value);

/// Says of an existing dataset of numbers that it is an array.
void mark_anndata_array(File& file, const std::string& path);

}  // namespace scanmf::hdf5
